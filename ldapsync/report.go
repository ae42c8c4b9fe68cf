package ldapsync

import (
	"bufio"
	"fmt"
	"io"
	"time"
)

// A Status is what became of an item of a plan.
type Status uint8

// The statuses.
const (
	StatusPending Status = iota // not tried yet: the call was cancelled or the process ended
	StatusDone                  // carried out and confirmed
	StatusRefused               // the target was no longer as the plan saw it; nothing was written
	StatusFailed                // an error that retrying did not mend
)

var statusNames = [...]string{"pending", "done", "refused", "failed"}

// String returns "pending", "done", "refused" or "failed".
func (s Status) String() string {
	if int(s) >= len(statusNames) {
		return fmt.Sprintf("Status(%d)", uint8(s))
	}
	return statusNames[s]
}

// MarshalText writes the name.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (s *Status) UnmarshalText(b []byte) error { return unmarshalName(s, b, statusNames[:], "status") }

// A Problem is an item that was not carried out.
type Problem struct {
	Track    string `json:"track"`
	Action   Action `json:"action"`
	Source   GUID   `json:"source"`
	SourceDN DN     `json:"sourceDN"`
	TargetDN DN     `json:"targetDN,omitzero"`
	Status   Status `json:"status"`
	Error    string `json:"error"`
}

// A Report is what applying a plan did.
type Report struct {
	Plan         string         `json:"plan"`
	Organisation string         `json:"organisation"`
	Undo         string         `json:"undo,omitempty"`
	Resumed      bool           `json:"resumed,omitempty"` // an interrupted application of the same plan was continued
	Started      time.Time      `json:"started"`
	Finished     time.Time      `json:"finished"`
	Done         map[string]int `json:"done"`   // by action
	Writes       int            `json:"writes"` // changes written to the target by this call
	Refused      int            `json:"refused"`
	Failed       int            `json:"failed"`
	Pending      int            `json:"pending"`
	Problems     []Problem      `json:"problems,omitempty"` // at most MaxProblems
}

// MaxProblems bounds the list in a Report; the counts are complete.
const MaxProblems = 1000

// OK reports whether everything was carried out.
func (r *Report) OK() bool { return r.Refused == 0 && r.Failed == 0 && r.Pending == 0 }

// WriteText prints the report for people.
func (r *Report) WriteText(w io.Writer) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "applied plan %s for %s", r.Plan[:min(len(r.Plan), 12)], r.Organisation)
	if r.Resumed {
		fmt.Fprint(b, " (continued)")
	}
	fmt.Fprintf(b, ": %d written to the target", r.Writes)
	for a := ActionCreate; a <= ActionStop; a++ {
		if n := r.Done[a.String()]; n > 0 {
			fmt.Fprintf(b, ", %d %s", n, a)
		}
	}
	if r.Refused > 0 {
		fmt.Fprintf(b, ", %d refused", r.Refused)
	}
	if r.Failed > 0 {
		fmt.Fprintf(b, ", %d failed", r.Failed)
	}
	if r.Pending > 0 {
		fmt.Fprintf(b, ", %d not tried yet (apply the same plan again to continue)", r.Pending)
	}
	fmt.Fprintf(b, ", in %v\n", r.Finished.Sub(r.Started).Round(time.Millisecond))
	for _, p := range r.Problems {
		dn := p.SourceDN.String()
		if dn == "" {
			dn = p.Source.String()
		}
		fmt.Fprintf(b, "  %s: %s %s: %s\n", p.Status, p.Action, dn, p.Error)
	}
	return b.Flush()
}
