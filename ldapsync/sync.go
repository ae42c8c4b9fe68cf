package ldapsync

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"
)

// A Syncer synchronises one organisation. Organisation, Source, Target and State are required. Set the fields
// before first use and leave them. Of one organisation make one call at a time: a second Apply is refused by the
// state, but Plan, Undo and Explain beside a running Apply take it for an interrupted one and close its books (see
// Recover), upon which that Apply ends with an error. Status and Applied may be called at any time.
type Syncer struct {
	Organisation Organisation
	Source       Source
	Target       Target
	State        State

	Guards Guards
	Now    func() time.Time // nil: time.Now

	Workers int     // writes at a time; 0 means 4
	Rate    float64 // writes a second over all workers; 0 means no limit
	Retry   Retry   // for errors that wrap ErrTransient
	// SkipConfirm leaves out reading every written object again. Only for targets that show writes late.
	SkipConfirm bool
	// Settle is how long a write may still arrive after its answer was lost, the target did not show it, or its Apply
	// was found interrupted: the Plans until then, and the first one later, look for it and record it
	// as the engine's own when it is there. 0 means 5 minutes, negative not at all.
	Settle time.Duration
	// KeepJournals is how many applied plans stay undoable; 0 means 30.
	KeepJournals int

	// TempDir is where Plan and Undo put what they must look at again, if it is more than a few megabytes: values
	// of attributes, so the file is the owner's alone, and it is gone when the call returns. It takes about as
	// much space as the directories' objects. "" is the system's folder for temporary files.
	TempDir string

	Progress func(Progress) // called from one goroutine at a time; nil: no progress
	Logger   *slog.Logger   // nil: no log. No attribute values are logged.
}

// A Retry says how often and how patiently a write is tried. Waits double from Base up to Max, with random
// jitter; an error that has a method RetryAfter() time.Duration overrides them.
type Retry struct {
	Attempts int           // in all; 0 means 5
	Base     time.Duration // 0 means 200 ms
	Max      time.Duration // 0 means 30 s
}

// Progress tells how far a long call is.
type Progress struct {
	Phase string // "read target", "read source", "look for leavers", "apply"
	Track string // "" in phase "apply"
	Done  int
	Total int // 0 if not known
}

// A RefusedError is a read that the engine will not draw conclusions from. Nothing was planned or written.
type RefusedError struct {
	Track string
	Why   string // what was seen and what to do
	Err   error  // may be nil
}

// Error says why.
func (e *RefusedError) Error() string {
	s := "ldapsync: refused"
	if e.Track != "" {
		s += ": track " + e.Track
	}
	s += ": " + e.Why
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns Err.
func (e *RefusedError) Unwrap() error { return e.Err }

func (s *Syncer) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

func (s *Syncer) log() *slog.Logger {
	if s.Logger != nil {
		return s.Logger
	}
	return slog.New(slog.NewTextHandler(io.Discard, nil))
}

func (s *Syncer) progress(p Progress) {
	if s.Progress != nil {
		s.Progress(p)
	}
}

func (s *Syncer) keys() keys { return keys{org: s.Organisation.Name} }

func (s *Syncer) check() error {
	switch {
	case s.Source == nil:
		return errors.New("ldapsync: the Syncer has no Source")
	case s.Target == nil:
		return errors.New("ldapsync: the Syncer has no Target")
	case s.State == nil:
		return errors.New("ldapsync: the Syncer has no State")
	}
	if err := s.Organisation.Validate(); err != nil {
		return err
	}
	var errs []error
	if c, ok := s.Target.(TrackChecker); ok && !s.Organisation.Inactive {
		for _, t := range s.Organisation.Tracks {
			errs = append(errs, c.CheckTrack(t))
		}
	}
	return errors.Join(errs...)
}

// Plan reads the source, the target and the state and decides everything that would change. It writes nothing to
// the target. To the state it writes only what earlier calls of Apply left open (see Recover).
//
// A read that fails, ends early or comes through a Global Catalog port gives an error and no plan. A read that
// is complete but looks wrong gives a plan with Trips, which Apply refuses.
func (s *Syncer) Plan(ctx context.Context) (*Plan, error) {
	return s.plan(ctx, nil)
}

func (s *Syncer) plan(ctx context.Context, trace *tracer) (*Plan, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	late, err := s.clearUp(ctx)
	if err != nil {
		return nil, err
	}
	var run runRecord
	if _, _, err := loadJSON(ctx, s.State, s.keys().run(), &run); err != nil {
		return nil, err
	}
	p := &Plan{Version: PlanVersion, Organisation: s.Organisation.Name, Created: s.now().UTC(), Generation: run.Generation}
	if s.Organisation.Inactive {
		p.Notices = append(p.Notices, "the organisation is inactive: nothing was read")
		return p, p.seal()
	}
	src, err := s.Source.Info(ctx)
	if err != nil {
		return nil, fmt.Errorf("ldapsync: source: %w", err)
	}
	if src.Partial {
		return nil, &RefusedError{Why: "the source is a Global Catalog, which silently lacks attributes such as operatingSystem, title and proxyAddresses; connect to port 636 or 389 instead", Err: ErrPartial}
	}
	dst, err := s.Target.Info(ctx)
	if err != nil {
		return nil, fmt.Errorf("ldapsync: target: %w", err)
	}
	env := Env{Domain: s.Organisation.Domain, Now: p.Created}
	if env.Domain.FQDN == "" {
		env.Domain.FQDN = src.Domain.FQDN
	}
	if env.Domain.NetBIOS == "" {
		env.Domain.NetBIOS = src.Domain.NetBIOS
	}
	if old := run.Source; old.Server != "" {
		switch {
		case old.Server != src.Server:
			p.Notices = append(p.Notices, fmt.Sprintf("the source answers from %s; the last run read from %s", src.Server, old.Server))
		case old.InvocationID != src.InvocationID:
			p.Notices = append(p.Notices, fmt.Sprintf("the database of %s was restored or replaced since the last run (its invocationId changed)", src.Server))
		}
	}
	src.Time, src.HighestUSN, dst.Time, dst.HighestUSN = time.Time{}, 0, time.Time{}, 0 // they change with every read
	p.Source, p.Target = src, dst
	for i := range s.Organisation.Tracks {
		t := &planner{s: s, t: &s.Organisation.Tracks[i], plan: p, env: env, run: &run, late: late, trace: trace}
		if err := t.planTrack(ctx); err != nil {
			return nil, err
		}
	}
	after, err := s.Source.Info(ctx)
	if err != nil {
		return nil, fmt.Errorf("ldapsync: source: %w", err)
	}
	if after.Server != src.Server || after.InvocationID != src.InvocationID {
		return nil, &RefusedError{Why: fmt.Sprintf("another server (%s, before that %s) answered at the end of the reads, and domain controllers do not hold the same at the same moment; try again", after.Server, src.Server), Err: ErrPartial}
	}
	return p, p.seal()
}
