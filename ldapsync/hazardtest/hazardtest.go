// Package hazardtest is a suite of accidents: what happens to a directory, to a network and to a program in the
// course of years, one case for each, and what the engine must make of it. No case may end with an attribute
// cleared, reverted or overwritten, or an object deleted, that should not have been.
//
//	func TestHazards(t *testing.T) {
//		hazardtest.Run(t, func(t *testing.T) *hazardtest.Fixture { … }, nil)
//	}
//
// The suite is for those who write a Source or Target of their own, or who change how the engine is configured:
// targettest checks that a driver keeps its contract, hazardtest that the engine on top of it stays harmless. It
// runs the real engine between the Fixture's source and target.
//
// Every case has one of three outcomes. Refuse: the engine makes no plan, or a plan that Apply refuses until
// somebody accepts it. Hold: it goes on, and leaves the objects or attributes in question as they are and says so.
// Correct: it does what is right, which may be nothing. After the accident is over, every case goes on until the
// target is as it should be.
package hazardtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/targettest"
)

// An Outcome is what a hazard must end in.
type Outcome uint8

// The outcomes.
const (
	Refuse  Outcome = iota + 1 // no plan, or one that Apply refuses
	Hold                       // what is in doubt is left as it is, and said
	Correct                    // the target is as it should be
)

// String returns the outcome in lower case.
func (o Outcome) String() string {
	switch o {
	case Refuse:
		return "refuse"
	case Hold:
		return "hold"
	case Correct:
		return "correct"
	}
	return fmt.Sprintf("Outcome(%d)", uint8(o))
}

// A Trouble is what can go wrong with reading the objects of an organisational unit.
type Trouble uint8

// The troubles.
const (
	NothingThere   Trouble = iota + 1 // success, and no objects
	PageMissing                       // success, and some objects missing
	ConnectionLost                    // in the middle
	SizeLimit                         // result 4 in the middle
	TimeLimit                         // result 3 in the middle
	AdminLimit                        // result 11 in the middle
	ServerBusy                        // result 51 at once
	Unavailable                       // result 52 in the middle
	Referral                          // result 10 at once
	RangeLost                         // the connection breaks while further values of an attribute are fetched
	CookieRefused                     // the server does not take the DirSync cookie; where the source keeps one
)

// A Fixture is what one case runs with.
type Fixture struct {
	// Source is under test. SourceWorld prepares the same directory by other means, and SourceBase is an empty
	// container of it that nothing else uses.
	Source      ldapsync.Source
	SourceWorld targettest.World
	SourceBase  ldapsync.Container

	// Target, if not nil, is under test as well, with its World and an empty container. Otherwise it is a directory
	// in memory.
	Target      ldapsync.Target
	TargetWorld targettest.World
	TargetBase  ldapsync.Container

	// State is where the engine keeps its memory; nil: in memory.
	State ldapsync.State

	// Key is an attribute of one value that the suite may give to objects on both sides, to join them by. Empty:
	// employeeID. Multi may have several; empty: otherTelephone.
	Key, Multi string

	// Adjust changes the engine before each use. It is for testing the suite, and for those who want to know whether
	// their own configuration is as harmless. May be nil.
	Adjust func(*ldapsync.Syncer)

	Faults Faults

	// Close is called when the case is over. May be nil.
	Close func()
}

// Faults are the accidents that only the Fixture can cause. Cases whose fault is nil are skipped. Each is over when
// the function it returned is called.
type Faults struct {
	// Reading makes reads of objects go wrong, from the moment it is called.
	Reading func(t Trouble) (over func(), ok bool)
	// DenyList takes the right to list a container away from the account of the Source.
	DenyList func(ctx context.Context, c ldapsync.Container) (over func() error, err error)
	// DenyRead takes the right to read an attribute of everything in a container away.
	DenyRead func(ctx context.Context, c ldapsync.Container, attr string) (over func() error, err error)
	// GlobalCatalog opens the same directory through a Global Catalog port.
	GlobalCatalog func(ctx context.Context) (ldapsync.Source, error)
	// OtherServer opens the same directory at another domain controller.
	OtherServer func(ctx context.Context) (ldapsync.Source, error)
	// SwapServer makes another server answer under the same name.
	SwapServer func() (over func())
	// RestoreServer gives the server's database a new identity, as restoring it from a backup does.
	RestoreServer func() error
}

// A Case is one hazard.
type Case struct {
	Name    string  // stable: a fixture skips a case by this name
	Hazard  string  // what happens
	Promise string  // what the engine makes of it
	Outcome Outcome // what it must end in

	run func(ctx context.Context, e *env) error
}

// ErrSkipped is wrapped by results for cases that the Fixture has no means for.
var ErrSkipped = errors.New("skipped")

// Check runs the suite. newFixture is called once for each case. The result has an entry for each case: nil if it
// passed, an error wrapping ErrSkipped if the fixture has no means for it, else what was wrong.
func Check(ctx context.Context, newFixture func(context.Context) (*Fixture, error)) map[string]error {
	out := make(map[string]error)
	for _, c := range Cases() {
		f, err := newFixture(ctx)
		if err != nil {
			out[c.Name] = fmt.Errorf("fixture: %w", err)
			continue
		}
		out[c.Name] = c.Run(ctx, f)
	}
	return out
}

// Run runs the suite as sub-tests. skip names cases that are left out, each with the reason; a name that no case has
// fails the test.
func Run(t *testing.T, newFixture func(t *testing.T) *Fixture, skip map[string]string) {
	t.Helper()
	cases := Cases()
	for name := range skip {
		if !slices.ContainsFunc(cases, func(c Case) bool { return c.Name == name }) {
			t.Errorf("hazardtest: there is no case %q to skip", name)
		}
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			if why, ok := skip[c.Name]; ok {
				t.Skip(why)
			}
			switch err := c.Run(t.Context(), newFixture(t)); {
			case errors.Is(err, ErrSkipped):
				t.Skip(err)
			case err != nil:
				t.Errorf("%s\nthe hazard: %s\nthe promise: %s (%s)", err, c.Hazard, c.Promise, c.Outcome)
			}
		})
	}
}

// caseTimeout ends a case that hangs.
const caseTimeout = 2 * time.Minute

// Run runs one case and closes the fixture. It returns nil, an error wrapping ErrSkipped, or what was wrong.
func (c Case) Run(ctx context.Context, f *Fixture) error {
	if f.Close != nil {
		defer f.Close()
	}
	ctx, cancel := context.WithTimeout(ctx, caseTimeout)
	defer cancel()
	e, err := newEnv(ctx, f, c.Outcome)
	if err != nil {
		return err
	}
	return c.run(ctx, e)
}
