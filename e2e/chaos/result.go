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
	Broken     []string           `json:"broken,omitempty"` // the first of them
	Figures    Figures            `json:"figures"`
	More       map[string]float64 `json:"more"`
	Seconds    float64            `json:"seconds"`
	Raced      bool               `json:"raced"`
	Alone      bool               `json:"alone,omitempty"`   // nothing stood beside it, and it had its long form
	Partial    bool               `json:"partial,omitempty"` // it goes on: a later line with its seed replaces this one
}

// Run is how all of them were run.
type Run struct {
	Minutes  float64 `json:"minutes"`
	Cores    float64 `json:"cores"` // that were busy with us, on average
	Parallel int     `json:"parallel"`
	Left     int     `json:"left"` // stages that were asked for, and for which there was no time
	Stopped  bool    `json:"stopped"`
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
