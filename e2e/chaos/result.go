package chaos

import (
	"encoding/json"
	"os"
)

// Result is one run of one fault.
type Result struct {
	ID         string             `json:"id"`
	Fault      string             `json:"fault"`
	Promise    string             `json:"promise"`
	Seed       uint64             `json:"seed"`
	Failed     bool               `json:"failed"`
	Violations int                `json:"violations"`
	Figures    Figures            `json:"figures"`
	More       map[string]float64 `json:"more"`
	Seconds    float64            `json:"seconds"`
	Raced      bool               `json:"raced"`
}

// AddResult adds a line to a file of results.
func AddResult(name string, r Result) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}
