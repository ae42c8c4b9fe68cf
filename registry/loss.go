package registry

import (
	"errors"
	"fmt"
)

// A LossError says that a format cannot express an entry. The Encode functions of all codecs write what the format
// can hold, leave the rest out, and return the join of one LossError per entry left out, so that a conversion
// is never silently incomplete. errors.AsType finds the first.
type LossError struct {
	Format string // "reg", "pol", …
	Entry  Entry  // what was left out
	Why    string
}

// Error returns "reg cannot hold clear-values HKLM\…: why".
func (e *LossError) Error() string {
	return fmt.Sprintf("%s cannot hold %s: %s", e.Format, clip(e.Entry.String(), 200), e.Why)
}

// Losses collects LossErrors for an Encode function. The zero Losses is empty and ready for use.
type Losses struct {
	errs []error
	more int
}

// Add notes that e was left out of the output. The first 100 are kept in full.
func (l *Losses) Add(format string, e Entry, why string) {
	if len(l.errs) >= 100 {
		l.more++
		return
	}
	l.errs = append(l.errs, &LossError{Format: format, Entry: e, Why: why})
}

// Err returns nil if nothing was added, and otherwise the join of the LossErrors.
func (l *Losses) Err() error {
	if l.more > 0 {
		return errors.Join(append(l.errs[:len(l.errs):len(l.errs)], fmt.Errorf("and %d more entries left out", l.more))...)
	}
	return errors.Join(l.errs...)
}
