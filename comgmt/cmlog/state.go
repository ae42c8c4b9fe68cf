package cmlog

import (
	"io"
	"strings"
	"time"

	"go.internal/hybridkit/comgmt"
)

// A State is what a log says last. The zero State is a log that says nothing; Unknown and nil mean that no message said so.
type State struct {
	Policy      *comgmt.Flags `json:"policy"` // capabilities of the last policy
	AutoEnrol   comgmt.Tri    `json:"autoEnrol"`
	Allow       comgmt.Tri    `json:"allow"`  // CoManagementSettings_Allow
	Mask        *comgmt.Flags `json:"mask"`   // max capabilities of this client
	Merged      *comgmt.Flags `json:"merged"` // policies OR-ed and masked
	Applied     *comgmt.Flags `json:"applied"`
	Override    comgmt.Tri    `json:"override"`
	Enrolled    comgmt.Tri    `json:"enrolled"`
	Coexistence comgmt.Tri    `json:"coexistence"`
	Compliant   comgmt.Tri    `json:"compliant"` // wanted and applied workloads agree
	Lagging     bool          `json:"lagging"`   // policy asks for co-management, the client is not there yet
	Try         int           `json:"try"`       // of the last enrolment; 0 if none was seen
	Tries       int           `json:"tries"`
	// NextTimer is when enrolment will be tried, as printed; "" if no timer is set. NextTime is the same in UTC, zero
	// where the text has no zone.
	NextTimer string    `json:"nextTimer,omitempty"`
	NextTime  time.Time `json:"nextTimerUTC,omitzero"`
	LastError *Event    `json:"lastError"` // the last failure; cleared by a success
	Records   int       `json:"records"`
	Framed    int       `json:"framed"` // records that had a frame of any kind
	Events    int       `json:"events"` // records whose message was understood
	// Binary counts records with NUL bytes: a file that is no log has them, and so has a log after a power failure.
	Binary int       `json:"binary"`
	First  time.Time `json:"first,omitzero"` // of the first and last record with a known time
	Last   time.Time `json:"last,omitzero"`
}

// Add takes one more record into the state. It reports whether the message was understood.
func (s *State) Add(r Record) (Event, bool) {
	s.Records++
	if r.Format != Plain {
		s.Framed++
	}
	if strings.IndexByte(r.Raw, 0) >= 0 {
		s.Binary++
	}
	if !r.Time.IsZero() {
		if s.First.IsZero() {
			s.First = r.Time
		}
		s.Last = r.Time
	}
	e, ok := Classify(r)
	if ok {
		s.apply(e)
	}
	return e, ok
}

func (s *State) apply(e Event) {
	s.Events++
	flags := func(to **comgmt.Flags) {
		if e.HasFlags {
			*to = new(e.Flags)
		}
	}
	switch e.Kind {
	case SettingMerged:
		switch e.Setting {
		case "Capabilities":
			flags(&s.Policy)
		case "AutoEnroll":
			s.AutoEnrol = tri(e.Value)
		case "Allow":
			s.Allow = tri(e.Value)
		}
	case FlagsMasked:
		if e.Mask != 0 {
			s.Mask = new(e.Mask)
		}
		flags(&s.Merged)
	case FlagsMerging:
		flags(&s.Merged)
	case FlagsApplied:
		flags(&s.Applied)
		if e.HasFlags {
			s.Override = comgmt.TriOf(e.Flags.IsOverride())
		}
	case Overridden:
		s.Override = comgmt.Yes
	case NotEnrolled:
		s.Enrolled = comgmt.No
	case AlreadyEnrolled:
		s.Enrolled, s.NextTimer, s.NextTime = comgmt.Yes, "", time.Time{}
	case EnrolSucceeded:
		s.Enrolled, s.LastError = comgmt.Yes, nil
	case EnrolFailed:
		s.LastError = new(e)
	case ErrorSeen:
		if len(e.Codes) > 0 || s.LastError == nil {
			s.LastError = new(e)
		}
	case PolicyAhead:
		s.Lagging = true
	case FlagsCompliant:
		s.Compliant, s.Lagging = comgmt.Yes, false
	case Coexistence:
		s.Coexistence = comgmt.Yes
	case EnrolTry:
		s.Try, s.Tries = e.Try, e.Tries
	case TimerSet:
		s.NextTimer, s.NextTime = e.Value, timerTime(e)
	case TimerFired:
		s.NextTimer, s.NextTime = "", time.Time{}
	}
}

func tri(v string) comgmt.Tri {
	switch strings.ToLower(v) {
	case "true":
		return comgmt.Yes
	case "false":
		return comgmt.No
	}
	return comgmt.Unknown
}

// timerTime reads the forms of a timer that carry a zone; a local time without one is left to the reader.
func timerTime(e Event) time.Time {
	t := strings.TrimSpace(strings.TrimSuffix(e.Value, "local time"))
	for _, layout := range [...]string{"01/02/2006 15:04:05 -07:00", "1/2/2006 15:04:05 -07:00", time.RFC3339Nano} {
		if at, err := time.Parse(layout, t); err == nil {
			return at.UTC()
		}
	}
	return time.Time{}
}

// ReadState reads a whole log into a State. On an error it returns the state so far.
func ReadState(r io.Reader) (State, error) {
	var s State
	for rec, err := range Read(r) {
		if err != nil {
			return s, err
		}
		s.Add(rec)
	}
	return s, nil
}

// LogState returns what [comgmt.Reconcile] needs.
func (s State) LogState() *comgmt.LogState {
	return &comgmt.LogState{Policy: s.Policy, Merged: s.Merged, Mask: s.Mask, Applied: s.Applied, Enrolled: s.Enrolled, Override: s.Override, Coexistence: s.Coexistence, At: s.Last}
}
