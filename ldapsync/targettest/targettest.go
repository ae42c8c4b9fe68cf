// Package targettest holds the conformance suites for implementations of ldapsync.Source and ldapsync.Target:
// one case for each clause of those contracts.
//
//	func TestTarget(t *testing.T) {
//		targettest.Run(t, func(t *testing.T) *targettest.Fixture { … }, nil)
//	}
//
// An implementation describes its world in a Fixture: what is under test, and a World by which the suite
// prepares and inspects the directory behind the back of what is under test, so that a driver which misreads
// what it miswrote is caught. Every case gets a Fixture of its own. Cases judge the state of the world after a
// call, not which calls were made.
//
// The suites as data, for a caller that is not a test, are Check and CheckSource. The names of the cases are
// stable; an implementation that cannot keep a clause skips it by name, with a reason.
package targettest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"go.internal/hybridkit/ldapsync"
)

// A Fixture is what one case runs with.
type Fixture struct {
	// Source is under test in RunSource and CheckSource, Target in Run and Check. The other one may be nil.
	Source ldapsync.Source
	Target ldapsync.Target

	// World prepares and inspects the same directory by other means. Required.
	World World

	// Base is an existing container, empty and not used by anything else while the case runs.
	Base ldapsync.Container

	// Attrs names attributes that objects of the directory may have. Zero fields are those of Active Directory.
	Attrs Attrs

	// Classes lists the classes the directory can hold; nil means User and Device. The suite's objects are of
	// the first. Cases that need two classes are skipped where there is one.
	Classes []ldapsync.Class

	// Required returns attributes that an object of the class and name must have in this directory, beside
	// those that World and Target add by themselves, for example sn in a plain LDAP server. Nil: none. They
	// are not Attrs.
	Required func(class ldapsync.Class, name string) []ldapsync.Attr

	// Many is the number of objects in cases about long reads; it should be several pages. Zero means 60.
	Many int

	// Faults make things go wrong. Cases whose fault is nil are skipped.
	Faults Faults

	// Close is called when the case is over. May be nil.
	Close func()
}

// Attrs are the names of attributes that the suite sets on objects. In Active Directory, and where a field is
// empty, they are displayName, department, title, otherTelephone and jpegPhoto.
type Attrs struct {
	Text   string // one text value, compared without case by the directory
	Text2  string // another
	Text3  string // and another
	Multi  string // several text values; must accept digits and blanks
	Binary string // several values of any bytes
}

func (a Attrs) withDefaults() Attrs {
	for _, f := range []struct {
		field *string
		name  string
	}{{&a.Text, "displayName"}, {&a.Text2, "department"}, {&a.Text3, "title"}, {&a.Multi, "otherTelephone"}, {&a.Binary, "jpegPhoto"}} {
		if *f.field == "" {
			*f.field = f.name
		}
	}
	return a
}

// A World is the directory as an omnipotent administrator sees it, without the code under test: for example
// memdir's back door, or another LDAP library bound as administrator. Its methods are called one at a time.
type World interface {
	// AddOU creates an organisational unit directly below parent.
	AddOU(ctx context.Context, parent ldapsync.DN, name string) (ldapsync.Container, error)
	// Add creates an object of o.Class at o.DN with o's attributes and returns its identity. o.ID is zero.
	Add(ctx context.Context, o ldapsync.Object) (ldapsync.GUID, error)
	// Set replaces all values of an attribute; with none it is removed.
	Set(ctx context.Context, id ldapsync.GUID, attr string, values ...string) error
	// Move puts an object or an organisational unit below another one, keeping its name.
	Move(ctx context.Context, id ldapsync.GUID, parent ldapsync.DN) error
	// Rename changes the value of the RDN of an object or organisational unit.
	Rename(ctx context.Context, id ldapsync.GUID, name string) error
	// Delete removes an object.
	Delete(ctx context.Context, id ldapsync.GUID) error
	// Get returns an object with at least the attributes in Attrs that it has; the error wraps
	// ldapsync.ErrNotFound if there is none.
	Get(ctx context.Context, id ldapsync.GUID) (ldapsync.Object, error)
	// List returns the objects of any class, organisational units not counted, directly below parent, with
	// their identity and DN.
	List(ctx context.Context, parent ldapsync.DN) ([]ldapsync.Object, error)
}

// Faults are the ways in which a Fixture can make things go wrong. Each acts on what is under test only, from
// the moment it is called until the case is over.
type Faults struct {
	// BreakRead makes the next read lose its connection, or end in an error of the server's, after n objects
	// were sent. (Whole pages may be sent if they are shorter.)
	BreakRead func(n int)
	// Busy makes the directory refuse the next write because it is busy, without carrying it out.
	Busy func()
	// LoseAnswer makes the connection break after the next write was sent, once it was carried out if written
	// is set, else before.
	LoseAnswer func(written bool)
	// DenyRead takes the right to read an attribute of an object away.
	DenyRead func(ctx context.Context, id ldapsync.GUID, attr string) error
	// DenyList takes the right to list a container away.
	DenyList func(ctx context.Context, c ldapsync.Container) error
	// DenyWrite takes the right to write to an object away.
	DenyWrite func(ctx context.Context, id ldapsync.GUID) error
}

// A Case is one clause of a contract.
type Case struct {
	Name string // stable: an implementation skips a clause by this name
	Rule string // what the contract says; a failure means that this is not so

	run func(ctx context.Context, e *env) error
}

// ErrSkipped is wrapped by results of Check and CheckSource for cases that the Fixture has no means for.
var ErrSkipped = errors.New("skipped")

func skipped(why string) error { return fmt.Errorf("%w: %s", ErrSkipped, why) }

// caseTimeout ends a case that hangs. The slowest directory the suite was run against needs a few seconds.
const caseTimeout = 2 * time.Minute

// Check runs the suite for Target. newFixture is called once for each case. The result has an entry for each
// case: nil if it passed, an error wrapping ErrSkipped if the fixture has no means for it, else what was wrong.
func Check(ctx context.Context, newFixture func(context.Context) (*Fixture, error)) map[string]error {
	return check(ctx, TargetCases(), newFixture)
}

// CheckSource is Check for Source.
func CheckSource(ctx context.Context, newFixture func(context.Context) (*Fixture, error)) map[string]error {
	return check(ctx, SourceCases(), newFixture)
}

func check(ctx context.Context, cases []Case, newFixture func(context.Context) (*Fixture, error)) map[string]error {
	out := make(map[string]error, len(cases))
	for _, c := range cases {
		f, err := newFixture(ctx)
		if err != nil {
			out[c.Name] = fmt.Errorf("fixture: %w", err)
			continue
		}
		out[c.Name] = c.Run(ctx, f)
	}
	return out
}

// Run runs the suite for Target as sub-tests. skip names cases that are left out, each with the reason; a name
// that no case has fails the test.
func Run(t *testing.T, newFixture func(t *testing.T) *Fixture, skip map[string]string) {
	t.Helper()
	runAll(t, TargetCases(), newFixture, skip)
}

// RunSource is Run for Source.
func RunSource(t *testing.T, newFixture func(t *testing.T) *Fixture, skip map[string]string) {
	t.Helper()
	runAll(t, SourceCases(), newFixture, skip)
}

func runAll(t *testing.T, cases []Case, newFixture func(t *testing.T) *Fixture, skip map[string]string) {
	t.Helper()
	for name := range skip {
		if !slices.ContainsFunc(cases, func(c Case) bool { return c.Name == name }) {
			t.Errorf("targettest: there is no case %q to skip", name)
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
				t.Errorf("%s\nthe contract: %s", err, c.Rule)
			}
		})
	}
}

// Run runs one case and closes the fixture. It returns nil, an error wrapping ErrSkipped, or what was wrong.
func (c Case) Run(ctx context.Context, f *Fixture) error {
	if f.Close != nil {
		defer f.Close()
	}
	ctx, cancel := context.WithTimeout(ctx, caseTimeout)
	defer cancel()
	e := &env{Fixture: *f}
	e.Attrs = f.Attrs.withDefaults()
	if e.Many <= 0 {
		e.Many = 60
	}
	if len(e.Classes) == 0 {
		e.Classes = []ldapsync.Class{ldapsync.User, ldapsync.Device}
	}
	return c.run(ctx, e)
}
