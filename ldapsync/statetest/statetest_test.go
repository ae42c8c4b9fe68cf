package statetest_test

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/memstate"
	"go.internal/hybridkit/ldapsync/statetest"
)

type (
	ops     = []ldapsync.StateOp
	records = iter.Seq2[ldapsync.Record, error]
)

// saboteur breaks a correct State in one place.
type saboteur struct {
	ldapsync.State
	get    func(s *saboteur, ctx context.Context, key string) ([]byte, error)
	scan   func(s *saboteur, ctx context.Context, prefix string) records
	commit func(s *saboteur, ctx context.Context, o ops) error

	mu     sync.Mutex
	closed bool
	active int               // scans under way
	refs   map[string][]byte // memory that should not have been shared
	flag   bool
}

func (s *saboteur) Get(ctx context.Context, key string) ([]byte, error) {
	if s.get != nil {
		return s.get(s, ctx, key)
	}
	return s.State.Get(ctx, key)
}

func (s *saboteur) Scan(ctx context.Context, prefix string) records {
	seq := s.State.Scan(ctx, prefix)
	if s.scan != nil {
		seq = s.scan(s, ctx, prefix)
	}
	return func(yield func(ldapsync.Record, error) bool) {
		s.active++
		defer func() { s.active-- }()
		seq(yield)
	}
}

func (s *saboteur) Commit(ctx context.Context, o ops) error {
	if s.commit != nil {
		return s.commit(s, ctx, o)
	}
	return s.State.Commit(ctx, o)
}

func (s *saboteur) Close() error {
	s.closed = true
	return s.State.Close()
}

func hasDuplicate(o ops) bool {
	seen := map[string]bool{}
	for _, op := range o {
		if seen[op.Key] {
			return true
		}
		seen[op.Key] = true
	}
	return false
}

// change rewrites the operations of a commit.
func change(f func(s *saboteur, ctx context.Context, o ops) ops) func(*saboteur, context.Context, ops) error {
	return func(s *saboteur, ctx context.Context, o ops) error {
		return s.State.Commit(ctx, f(s, ctx, slices.Clone(o)))
	}
}

// refuse makes commits fail.
func refuse(when func(s *saboteur, o ops) bool) func(*saboteur, context.Context, ops) error {
	return func(s *saboteur, ctx context.Context, o ops) error {
		if when(s, o) {
			return errors.New("refused")
		}
		return s.State.Commit(ctx, o)
	}
}

func each(f func(ldapsync.StateOp) ldapsync.StateOp) func(*saboteur, context.Context, ops) error {
	return change(func(_ *saboteur, _ context.Context, o ops) ops {
		for i := range o {
			o[i] = f(o[i])
		}
		return o
	})
}

// remap changes or drops records of a scan; it is called with the number of the record.
func remap(f func(s *saboteur, i int, r ldapsync.Record) (ldapsync.Record, bool)) func(*saboteur, context.Context, string) records {
	return func(s *saboteur, ctx context.Context, prefix string) records {
		return func(yield func(ldapsync.Record, error) bool) {
			i := -1
			for r, err := range s.State.Scan(ctx, prefix) {
				i++
				ok := true
				if err == nil {
					r, ok = f(s, i, r)
				}
				if ok && !yield(r, err) {
					return
				}
			}
		}
	}
}

// saboteurs has one entry for each case, which must fail that case and no other.
var saboteurs = map[string]func() *saboteur{
	"get-missing": func() *saboteur {
		return &saboteur{get: func(s *saboteur, ctx context.Context, key string) ([]byte, error) {
			v, err := s.State.Get(ctx, key)
			if errors.Is(err, ldapsync.ErrNotFound) {
				err = errors.New("no such key")
			}
			return v, err
		}}
	},
	"get-value": func() *saboteur {
		return &saboteur{get: func(s *saboteur, ctx context.Context, key string) ([]byte, error) {
			v, err := s.State.Get(ctx, key)
			return bytes.ToValidUTF8(v, []byte("?")), err
		}}
	},
	"get-copies": func() *saboteur {
		return &saboteur{
			get: func(s *saboteur, ctx context.Context, key string) ([]byte, error) {
				s.mu.Lock()
				defer s.mu.Unlock()
				if v, ok := s.refs[key]; ok && !s.closed {
					return v, nil
				}
				v, err := s.State.Get(ctx, key)
				if err == nil {
					s.refs[key] = v
				}
				return v, err
			},
			commit: func(s *saboteur, ctx context.Context, o ops) error {
				s.mu.Lock()
				defer s.mu.Unlock()
				clear(s.refs)
				return s.State.Commit(ctx, o)
			},
		}
	},
	"get-empty": func() *saboteur {
		return &saboteur{get: func(s *saboteur, ctx context.Context, key string) ([]byte, error) {
			v, err := s.State.Get(ctx, key)
			if err == nil && len(v) == 0 {
				return nil, ldapsync.ErrNotFound
			}
			return v, err
		}}
	},
	"commit-copies": func() *saboteur {
		return &saboteur{
			commit: func(s *saboteur, ctx context.Context, o ops) error {
				err := s.State.Commit(ctx, o)
				s.mu.Lock()
				defer s.mu.Unlock()
				for _, op := range o {
					if err == nil {
						s.refs[op.Key] = op.Value
					}
				}
				return err
			},
			scan: func(s *saboteur, ctx context.Context, prefix string) records {
				refs := map[string][]byte{}
				for k, v := range s.refs {
					refs[k] = v
				}
				return remap(func(_ *saboteur, _ int, r ldapsync.Record) (ldapsync.Record, bool) {
					if v := refs[r.Key]; len(v) == len(r.Value) && len(bytes.Trim(v, "\x00")) == 0 {
						r.Value = slices.Clone(v)
					}
					return r, true
				})(s, ctx, prefix)
			},
		}
	},
	"commit-replace": func() *saboteur {
		return &saboteur{commit: change(func(s *saboteur, ctx context.Context, o ops) ops {
			if len(o) == 1 && o[0].Expect == nil && !o[0].Delete {
				if old, err := s.State.Get(ctx, o[0].Key); err == nil && len(old) > len(o[0].Value) {
					o[0].Value = slices.Concat(o[0].Value, old[len(o[0].Value):])
				}
			}
			return o
		})}
	},
	"commit-delete": func() *saboteur {
		return &saboteur{commit: change(func(_ *saboteur, _ context.Context, o ops) ops {
			if len(o) == 1 && o[0].Delete && o[0].Expect == nil {
				o = append(o, ldapsync.StateOp{Key: o[0].Key + "b", Delete: true})
			}
			return o
		})}
	},
	"commit-delete-missing": func() *saboteur {
		return &saboteur{commit: func(s *saboteur, ctx context.Context, o ops) error {
			if len(o) == 1 && o[0].Delete && o[0].Expect == nil {
				if _, err := s.State.Get(ctx, o[0].Key); err != nil {
					return err
				}
			}
			return s.State.Commit(ctx, o)
		}}
	},
	"commit-order": func() *saboteur {
		return &saboteur{commit: change(func(_ *saboteur, _ context.Context, o ops) ops {
			if hasDuplicate(o) && !slices.ContainsFunc(o, func(op ldapsync.StateOp) bool { return op.Expect != nil }) {
				slices.Reverse(o)
			}
			return o
		})}
	},
	"commit-nothing": func() *saboteur {
		return &saboteur{commit: refuse(func(_ *saboteur, o ops) bool { return len(o) == 0 })}
	},
	"commit-all-or-none": func() *saboteur {
		return &saboteur{commit: func(s *saboteur, ctx context.Context, o ops) error {
			err := s.State.Commit(ctx, o)
			if errors.Is(err, ldapsync.ErrConflict) && len(o) > 2 {
				_ = s.State.Commit(ctx, o[:1])
			}
			return err
		}}
	},
	"expect-value": func() *saboteur {
		return &saboteur{commit: func(s *saboteur, ctx context.Context, o ops) error {
			if len(o) == 1 && o[0].Delete && o[0].Expect != nil {
				return ldapsync.ErrConflict
			}
			return s.State.Commit(ctx, o)
		}}
	},
	"expect-other-value": func() *saboteur {
		return &saboteur{commit: change(func(s *saboteur, ctx context.Context, o ops) ops {
			if len(o) == 1 && o[0].Expect != nil {
				if old, err := s.State.Get(ctx, o[0].Key); err == nil && len(old) > 0 && bytes.EqualFold(old, *o[0].Expect) {
					o[0].Expect = &old
				}
			}
			return o
		})}
	},
	"expect-value-missing": func() *saboteur {
		return &saboteur{commit: each(func(op ldapsync.StateOp) ldapsync.StateOp {
			if op.Expect != nil && len(*op.Expect) == 0 {
				op.Expect = new([]byte)
			}
			return op
		})}
	},
	"expect-absent": func() *saboteur {
		return &saboteur{commit: func(s *saboteur, ctx context.Context, o ops) error {
			for _, op := range o {
				if op.Delete && op.Expect != nil && *op.Expect == nil {
					return ldapsync.ErrConflict
				}
			}
			return s.State.Commit(ctx, o)
		}}
	},
	"expect-absent-present": func() *saboteur {
		return &saboteur{commit: change(func(s *saboteur, ctx context.Context, o ops) ops {
			for i, op := range o {
				if op.Expect != nil && *op.Expect == nil {
					if v, err := s.State.Get(ctx, op.Key); err == nil && len(v) == 0 {
						o[i].Expect = nil
					}
				}
			}
			return o
		})}
	},
	"expect-before": func() *saboteur {
		return &saboteur{commit: func(s *saboteur, ctx context.Context, o ops) error {
			if len(o) == 2 && hasDuplicate(o) {
				for _, op := range o {
					if err := s.State.Commit(ctx, ops{op}); err != nil {
						return err
					}
				}
				return nil
			}
			return s.State.Commit(ctx, o)
		}}
	},
	"commit-cancelled": func() *saboteur {
		return &saboteur{commit: func(s *saboteur, ctx context.Context, o ops) error {
			return s.State.Commit(context.WithoutCancel(ctx), o)
		}}
	},
	"commit-concurrent": func() *saboteur {
		return &saboteur{commit: func(s *saboteur, ctx context.Context, o ops) error {
			if len(o) != 1 || o[0].Expect == nil {
				return s.State.Commit(ctx, o)
			}
			old, err := s.State.Get(ctx, o[0].Key)
			if there := err == nil; there != (*o[0].Expect != nil) || !bytes.Equal(old, *o[0].Expect) {
				return ldapsync.ErrConflict
			}
			time.Sleep(time.Millisecond)
			return s.State.Commit(ctx, ops{{Key: o[0].Key, Value: o[0].Value, Delete: o[0].Delete}})
		}}
	},
	"scan-order": func() *saboteur {
		return &saboteur{scan: func(s *saboteur, ctx context.Context, prefix string) records {
			return func(yield func(ldapsync.Record, error) bool) {
				var all []ldapsync.Record
				for r, err := range s.State.Scan(ctx, prefix) {
					if err != nil {
						yield(r, err)
						return
					}
					all = append(all, r)
				}
				slices.SortStableFunc(all, func(a, b ldapsync.Record) int {
					return strings.Compare(strings.ToLower(a.Key), strings.ToLower(b.Key))
				})
				for _, r := range all {
					if !yield(r, nil) {
						return
					}
				}
			}
		}}
	},
	"scan-prefix": func() *saboteur {
		return &saboteur{scan: func(s *saboteur, ctx context.Context, prefix string) records {
			return remap(func(_ *saboteur, _ int, r ldapsync.Record) (ldapsync.Record, bool) { return r, r.Key != prefix })(s, ctx, prefix)
		}}
	},
	"scan-empty": func() *saboteur {
		return &saboteur{
			commit: func(s *saboteur, ctx context.Context, o ops) error {
				s.mu.Lock()
				s.flag = true
				s.mu.Unlock()
				return s.State.Commit(ctx, o)
			},
			scan: func(s *saboteur, ctx context.Context, prefix string) records {
				if !s.flag && !s.closed {
					return func(yield func(ldapsync.Record, error) bool) { yield(ldapsync.Record{}, ldapsync.ErrNotFound) }
				}
				return s.State.Scan(ctx, prefix)
			},
		}
	},
	"scan-many": func() *saboteur {
		return &saboteur{scan: remap(func(_ *saboteur, i int, r ldapsync.Record) (ldapsync.Record, bool) { return r, i != 4096 })}
	},
	"scan-moment": func() *saboteur {
		return &saboteur{scan: remap(func(s *saboteur, _ int, r ldapsync.Record) (ldapsync.Record, bool) {
			v, err := s.State.Get(context.Background(), r.Key)
			return ldapsync.Record{Key: r.Key, Value: v}, err == nil
		})}
	},
	"scan-commit": func() *saboteur {
		return &saboteur{commit: refuse(func(s *saboteur, o ops) bool { return s.active > 0 && len(o) > 0 && len(o[0].Value) >= 1<<20 })}
	},
	"scan-break": func() *saboteur {
		return &saboteur{
			scan: func(s *saboteur, ctx context.Context, prefix string) records {
				return func(yield func(ldapsync.Record, error) bool) {
					for r, err := range s.State.Scan(ctx, prefix) {
						if !yield(r, err) {
							s.flag = err == nil
							return
						}
					}
				}
			},
			commit: refuse(func(s *saboteur, _ ops) bool { return s.flag }),
		}
	},
	"scan-nested": func() *saboteur {
		return &saboteur{scan: func(s *saboteur, ctx context.Context, prefix string) records {
			return func(yield func(ldapsync.Record, error) bool) {
				if s.active > 1 {
					yield(ldapsync.Record{}, errors.New("busy"))
					return
				}
				s.State.Scan(ctx, prefix)(yield)
			}
		}}
	},
	"scan-again": func() *saboteur {
		return &saboteur{scan: func(s *saboteur, ctx context.Context, prefix string) records {
			var all []ldapsync.Record
			var failed error
			once := false
			return func(yield func(ldapsync.Record, error) bool) {
				if !once {
					once = true
					for r, err := range s.State.Scan(ctx, prefix) {
						all, failed = append(all, r), err
					}
				}
				for _, r := range all {
					if !yield(r, failed) {
						return
					}
				}
			}
		}}
	},
	"scan-values": func() *saboteur {
		return &saboteur{
			scan: remap(func(s *saboteur, _ int, r ldapsync.Record) (ldapsync.Record, bool) {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.refs[r.Key] = r.Value
				return r, true
			}),
			get: func(s *saboteur, ctx context.Context, key string) ([]byte, error) {
				v, err := s.State.Get(ctx, key)
				s.mu.Lock()
				defer s.mu.Unlock()
				if ref := s.refs[key]; err == nil && len(ref) == len(v) {
					v = ref
				}
				return v, err
			},
			commit: func(s *saboteur, ctx context.Context, o ops) error {
				if len(o) > 0 {
					s.mu.Lock()
					delete(s.refs, o[0].Key)
					s.mu.Unlock()
				}
				return s.State.Commit(ctx, o)
			},
		}
	},
	"key-empty": func() *saboteur {
		return &saboteur{commit: change(func(_ *saboteur, _ context.Context, o ops) ops {
			return slices.DeleteFunc(o, func(op ldapsync.StateOp) bool { return op.Key == "" })
		})}
	},
	"key-too-long": func() *saboteur {
		return &saboteur{commit: each(func(op ldapsync.StateOp) ldapsync.StateOp { op.Key = op.Key[:min(512, len(op.Key))]; return op })}
	},
	"key-not-utf8": func() *saboteur {
		return &saboteur{commit: each(func(op ldapsync.StateOp) ldapsync.StateOp { op.Key = strings.ToValidUTF8(op.Key, "?"); return op })}
	},
	"value-too-long": func() *saboteur {
		return &saboteur{commit: each(func(op ldapsync.StateOp) ldapsync.StateOp {
			op.Value = op.Value[:min(16<<20, len(op.Value))]
			return op
		})}
	},
	"key-longest": func() *saboteur {
		return &saboteur{commit: refuse(func(_ *saboteur, o ops) bool { return len(o) > 0 && len(o[0].Key) >= 512 })}
	},
	"value-longest": func() *saboteur {
		return &saboteur{commit: refuse(func(_ *saboteur, o ops) bool { return len(o) > 0 && len(o[0].Value) >= 16<<20 })}
	},
	"closed-get": func() *saboteur {
		return &saboteur{get: func(s *saboteur, ctx context.Context, key string) ([]byte, error) {
			if s.closed {
				return nil, ldapsync.ErrNotFound
			}
			return s.State.Get(ctx, key)
		}}
	},
	"closed-commit": func() *saboteur {
		return &saboteur{commit: func(s *saboteur, ctx context.Context, o ops) error {
			if s.closed {
				return nil
			}
			return s.State.Commit(ctx, o)
		}}
	},
	"closed-scan": func() *saboteur {
		return &saboteur{scan: func(s *saboteur, ctx context.Context, prefix string) records {
			if s.closed {
				return func(func(ldapsync.Record, error) bool) {}
			}
			return s.State.Scan(ctx, prefix)
		}}
	},
}

func failed(results map[string]error) []string {
	var out []string
	for name, err := range results {
		if err != nil {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

func TestSaboteurs(t *testing.T) {
	for _, c := range statetest.Cases() {
		t.Run(c.Name, func(t *testing.T) {
			newSaboteur := saboteurs[c.Name]
			require.NotNil(t, newSaboteur, "a case without a saboteur may be one that cannot fail")
			got := map[string]error{}
			for _, other := range statetest.Cases() {
				if strings.HasPrefix(other.Name, "value-") && !strings.HasPrefix(c.Name, "value-") {
					continue // 16 MiB each: only the saboteurs that are about sizes need them
				}
				s := newSaboteur()
				s.State, s.refs = memstate.New(), map[string][]byte{}
				got[other.Name] = other.Run(t.Context(), s)
			}
			require.Equal(t, []string{c.Name}, failed(got), "%v", got[c.Name])
		})
	}
	require.Len(t, saboteurs, len(statetest.Cases()))
}

func TestCheckPasses(t *testing.T) {
	got := statetest.Check(t.Context(), func() (ldapsync.State, error) { return memstate.New(), nil })
	require.Empty(t, failed(got))
	require.Len(t, got, len(statetest.Cases()), "names are unique")
	got = statetest.Check(t.Context(), func() (ldapsync.State, error) { return nil, errors.New("disk full") })
	require.Len(t, failed(got), len(statetest.Cases()))
}

// stuck is a State whose commits never return.
type stuck struct {
	ldapsync.State
	free chan struct{}
}

func (s stuck) Commit(context.Context, []ldapsync.StateOp) error { <-s.free; return nil }

func TestDeadlockIsReported(t *testing.T) {
	s := stuck{memstate.New(), make(chan struct{})}
	defer close(s.free)
	i := slices.IndexFunc(statetest.Cases(), func(c statetest.Case) bool { return c.Name == "commit-nothing" })
	err := statetest.Cases()[i].RunFor(t.Context(), s, 50*time.Millisecond)
	require.ErrorContains(t, err, "did not return")
}

func TestCasesAreDescribed(t *testing.T) {
	for _, c := range statetest.Cases() {
		require.Regexp(t, `^[a-z0-9-]+$`, c.Name)
		require.Regexp(t, `^[A-Z].*\.$`, c.Rule)
	}
}

func TestRunSkips(t *testing.T) {
	statetest.Run(t, func(*testing.T) ldapsync.State {
		return &saboteur{State: memstate.New(), commit: refuse(func(_ *saboteur, o ops) bool { return len(o) == 0 })}
	},
		map[string]string{"commit-nothing": "this implementation refuses empty commits"})
}
