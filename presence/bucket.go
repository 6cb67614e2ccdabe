package presence

import "time"

// Bucket tells a last-seen time as roughly as people do.
type Bucket string

const (
	Now     Bucket = "now"     // under a minute ago
	Minutes Bucket = "minutes" // under an hour
	Hours   Bucket = "hours"   // under a day
	Days    Bucket = "days"    // under a week
	Weeks   Bucket = "weeks"   // under 30 days
	Long    Bucket = "long"    // longer, or never: it is kept for 30 days
)

// SeenKept is how long a last-seen time is kept.
const SeenKept = 30 * 24 * time.Hour

// bucketBorders are the ages at which a bucket begins.
var bucketBorders = [...]time.Duration{time.Minute, time.Hour, 24 * time.Hour, 7 * 24 * time.Hour, SeenKept}

// BucketOf is the bucket of a time as seen at a moment.
func BucketOf(t time.Time, now Version) Bucket {
	ago := now.Time().Sub(t)
	switch {
	case t.IsZero() || ago >= SeenKept:
		return Long
	case ago >= 7*24*time.Hour:
		return Weeks
	case ago >= 24*time.Hour:
		return Days
	case ago >= time.Hour:
		return Hours
	case ago >= time.Minute:
		return Minutes
	}
	return Now
}
