package statetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"go.internal/hybridkit/ldapsync"
)

const (
	maxKey   = 512
	maxValue = 16 << 20
)

type (
	state = ldapsync.State
	op    = ldapsync.StateOp
)

func put(key, value string) op { return op{Key: key, Value: []byte(value)} }
func del(key string) op        { return op{Key: key, Delete: true} }

// expect adds an expectation: a value, or that the key is not there.
func (b expectation) of(o op) op { o.Expect = b.value; return o }

type expectation struct{ value *[]byte }

func is(v string) expectation { b := []byte(v); return expectation{&b} }
func absent() expectation     { return expectation{new([]byte)} }

func commit(ctx context.Context, s state, ops ...op) error {
	if err := s.Commit(ctx, ops); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// holds compares the whole State with pairs of key and value.
func holds(ctx context.Context, s state, want ...string) error {
	got, err := scan(ctx, s, "")
	if err != nil {
		return err
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("it holds %q, not %q", clip(got), clip(want))
	}
	return nil
}

func clip(list []string) []string {
	out := make([]string, 0, len(list))
	for _, v := range list {
		if len(v) > 60 {
			v = v[:60] + "…"
		}
		out = append(out, v)
	}
	return out
}

func scan(ctx context.Context, s state, prefix string) ([]string, error) {
	var out []string
	for r, err := range s.Scan(ctx, prefix) {
		if err != nil {
			return nil, fmt.Errorf("scan of %q: %w", prefix, err)
		}
		out = append(out, r.Key, string(r.Value))
		if len(out) > 1_000_000 {
			return nil, errors.New("a scan does not end")
		}
	}
	return out, nil
}

func get(ctx context.Context, s state, key, want string) error {
	got, err := s.Get(ctx, key)
	if err != nil {
		return fmt.Errorf("get of %q: %w", key, err)
	}
	if string(got) != want {
		return fmt.Errorf("get of %q gives %q, not %q", key, clip([]string{string(got)}), clip([]string{want}))
	}
	return nil
}

func wantErr(what string, err, target error) error {
	if !errors.Is(err, target) {
		return fmt.Errorf("%s: the error is %v, it does not wrap %q", what, err, target)
	}
	return nil
}

// steps runs checks one after another and stops at the first that fails.
func steps(list ...func() error) error {
	for _, f := range list {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

// Cases returns the suite.
func Cases() []Case {
	return slices.Concat(getCases(), commitCases(), scanCases(), limitCases(), lifeCases())
}

func getCases() []Case {
	return []Case{
		{"get-missing", "Get of a key that is not there returns an error wrapping ErrNotFound.", func(ctx context.Context, s state) error {
			_, err := s.Get(ctx, "nothing")
			return wantErr("get", err, ldapsync.ErrNotFound)
		}},
		{"get-value", "Get returns the value that was committed, whatever its bytes.", func(ctx context.Context, s state) error {
			var all []byte
			for i := range 256 {
				all = append(all, byte(i))
			}
			if err := commit(ctx, s, put("bytes", string(all))); err != nil {
				return err
			}
			return get(ctx, s, "bytes", string(all))
		}},
		{"get-copies", "Get returns a copy: changing it does not change the State.", func(ctx context.Context, s state) error {
			if err := commit(ctx, s, put("k", "value")); err != nil {
				return err
			}
			v, err := s.Get(ctx, "k")
			if err != nil {
				return err
			}
			clear(v)
			return get(ctx, s, "k", "value")
		}},
		{"get-empty", "A key with an empty value is there.", func(ctx context.Context, s state) error {
			if err := commit(ctx, s, op{Key: "nil"}, op{Key: "empty", Value: []byte{}}); err != nil {
				return err
			}
			return steps(
				func() error { return get(ctx, s, "nil", "") },
				func() error { return get(ctx, s, "empty", "") },
				func() error { return holds(ctx, s, "empty", "", "nil", "") })
		}},
	}
}

func commitCases() []Case {
	return []Case{
		{"commit-copies", "Commit keeps no reference to the caller's slices.", func(ctx context.Context, s state) error {
			v := []byte("value")
			ops := []op{{Key: "k", Value: v}}
			if err := commit(ctx, s, ops...); err != nil {
				return err
			}
			clear(v)
			ops[0].Key = "other"
			return holds(ctx, s, "k", "value")
		}},
		{"commit-replace", "A put replaces the value at its key.", func(ctx context.Context, s state) error {
			return steps(
				func() error { return commit(ctx, s, put("k", "a long old value")) },
				func() error { return commit(ctx, s, put("k", "new")) },
				func() error { return get(ctx, s, "k", "new") })
		}},
		{"commit-delete", "A delete removes its key, and no other.", func(ctx context.Context, s state) error {
			return steps(
				func() error { return commit(ctx, s, put("a", "1"), put("ab", "2"), put("b", "3")) },
				func() error { return commit(ctx, s, del("a")) },
				func() error { return holds(ctx, s, "ab", "2", "b", "3") })
		}},
		{"commit-delete-missing", "Deleting what is not there succeeds.", func(ctx context.Context, s state) error {
			return commit(ctx, s, del("nothing"))
		}},
		{"commit-order", "The operations of a commit are applied in order.", func(ctx context.Context, s state) error {
			return steps(
				func() error {
					return commit(ctx, s, put("a", "1"), del("a"), del("b"), put("b", "2"), put("c", "3"), put("c", "4"))
				},
				func() error { return holds(ctx, s, "b", "2", "c", "4") })
		}},
		{"commit-nothing", "A commit of no operations succeeds.", func(ctx context.Context, s state) error {
			return commit(ctx, s)
		}},
		{"commit-all-or-none", "If an expectation does not hold nothing is changed, wherever in the commit it stands.", func(ctx context.Context, s state) error {
			if err := commit(ctx, s, put("k", "old"), put("m", "old")); err != nil {
				return err
			}
			err := s.Commit(ctx, []op{put("k", "new"), put("n", "new"), del("m"), is("else").of(put("k", "newer"))})
			return steps(
				func() error { return wantErr("commit", err, ldapsync.ErrConflict) },
				func() error { return holds(ctx, s, "k", "old", "m", "old") })
		}},
		{"expect-value", "An expected value that holds lets the commit through.", func(ctx context.Context, s state) error {
			return steps(
				func() error { return commit(ctx, s, put("k", "old")) },
				func() error { return commit(ctx, s, is("old").of(put("k", "new"))) },
				func() error { return commit(ctx, s, is("new").of(del("k"))) },
				func() error { return holds(ctx, s) })
		}},
		{"expect-other-value", "A value other than expected is ErrConflict.", func(ctx context.Context, s state) error {
			if err := commit(ctx, s, put("k", "old")); err != nil {
				return err
			}
			for _, want := range []string{"", "ol", "older", "OLD"} {
				if err := wantErr("commit expecting "+strconv.Quote(want), s.Commit(ctx, []op{is(want).of(put("k", "new"))}), ldapsync.ErrConflict); err != nil {
					return err
				}
			}
			return wantErr("delete", s.Commit(ctx, []op{is("else").of(del("k"))}), ldapsync.ErrConflict)
		}},
		{"expect-value-missing", "An expected value where nothing is, is ErrConflict, also if the value is empty.", func(ctx context.Context, s state) error {
			return steps(
				func() error {
					return wantErr("a value", s.Commit(ctx, []op{is("x").of(put("k", "new"))}), ldapsync.ErrConflict)
				},
				func() error {
					return wantErr("the empty value", s.Commit(ctx, []op{is("").of(put("k", "new"))}), ldapsync.ErrConflict)
				})
		}},
		{"expect-absent", "Expecting nothing where nothing is lets the commit through.", func(ctx context.Context, s state) error {
			return steps(
				func() error { return commit(ctx, s, absent().of(put("k", "v")), absent().of(del("l"))) },
				func() error { return holds(ctx, s, "k", "v") })
		}},
		{"expect-absent-present", "Expecting nothing where something is, is ErrConflict, also if the value is empty.", func(ctx context.Context, s state) error {
			if err := commit(ctx, s, put("k", "v"), put("empty", "")); err != nil {
				return err
			}
			return steps(
				func() error {
					return wantErr("a value", s.Commit(ctx, []op{absent().of(put("k", "new"))}), ldapsync.ErrConflict)
				},
				func() error {
					return wantErr("an empty value", s.Commit(ctx, []op{absent().of(put("empty", "new"))}), ldapsync.ErrConflict)
				},
				func() error { return holds(ctx, s, "empty", "", "k", "v") })
		}},
		{"expect-before", "Expectations are about the time before the commit, not about its own earlier operations.", func(ctx context.Context, s state) error {
			return steps(
				func() error { return commit(ctx, s, put("k", "old")) },
				func() error { return commit(ctx, s, put("k", "middle"), is("old").of(put("k", "new"))) },
				func() error { return get(ctx, s, "k", "new") },
				func() error {
					return wantErr("expecting the commit's own value", s.Commit(ctx, []op{put("k", "middle"), is("middle").of(put("k", "x"))}), ldapsync.ErrConflict)
				})
		}},
		{"commit-cancelled", "A context that is cancelled before the commit prevents it.", func(ctx context.Context, s state) error {
			done, cancel := context.WithCancel(ctx)
			cancel()
			err := s.Commit(done, []op{put("k", "v")})
			return steps(
				func() error { return wantErr("commit", err, context.Canceled) },
				func() error { return holds(ctx, s) })
		}},
		{"commit-concurrent", "Of concurrent commits with the same expectation one is let through.", func(ctx context.Context, s state) error {
			const workers, rounds = 4, 10
			if err := commit(ctx, s, put("n", "0")); err != nil {
				return err
			}
			var wg sync.WaitGroup
			errs := make([]error, workers)
			for w := range workers {
				wg.Go(func() {
					for done := 0; done < rounds && ctx.Err() == nil; {
						old, err := s.Get(ctx, "n")
						if err != nil {
							errs[w] = err
							return
						}
						n, _ := strconv.Atoi(string(old))
						switch err := s.Commit(ctx, []op{is(string(old)).of(put("n", strconv.Itoa(n+1)))}); {
						case err == nil:
							done++
						case !errors.Is(err, ldapsync.ErrConflict):
							errs[w] = err
							return
						}
					}
				})
			}
			wg.Wait()
			if err := errors.Join(errs...); err != nil {
				return err
			}
			return get(ctx, s, "n", strconv.Itoa(workers*rounds))
		}},
	}
}

func scanCases() []Case {
	return []Case{
		{"scan-order", "Scan gives the keys in the order of their bytes.", func(ctx context.Context, s state) error {
			keys := []string{"b", "a", "ab", "a/b", "a0", "B", "é", "z", "10", "9", "\U0001F600", "\uFFFD", "a b"}
			var ops []op
			for _, k := range keys {
				ops = append(ops, put(k, "v"+k))
			}
			if err := commit(ctx, s, ops...); err != nil {
				return err
			}
			var want []string
			for _, k := range slices.Sorted(slices.Values(keys)) {
				want = append(want, k, "v"+k)
			}
			return holds(ctx, s, want...)
		}},
		{"scan-prefix", "Scan gives the keys with the prefix and no others, the key that is the prefix included.", func(ctx context.Context, s state) error {
			if err := commit(ctx, s, put("a", "0"), put("a/", "1"), put("a/x", "2"), put("a0", "3"), put("b", "4"), put("a/\U0010FFFF", "5")); err != nil {
				return err
			}
			for prefix, want := range map[string][]string{"a/": {"a/", "1", "a/x", "2", "a/\U0010FFFF", "5"}, "c": nil, "a/x/": nil, "a/\U0010FFFF": {"a/\U0010FFFF", "5"}} {
				got, err := scan(ctx, s, prefix)
				if err != nil {
					return err
				}
				if !slices.Equal(got, want) {
					return fmt.Errorf("scan of %q gives %q, not %q", prefix, got, want)
				}
			}
			return nil
		}},
		{"scan-empty", "Scan of an empty State gives nothing and no error.", func(ctx context.Context, s state) error {
			return holds(ctx, s)
		}},
		{"scan-many", "Scan gives each of many keys once.", func(ctx context.Context, s state) error {
			want, err := fill(ctx, s, 5000)
			if err != nil {
				return err
			}
			return holds(ctx, s, want...)
		}},
		{"scan-moment", "Scan shows one moment: commits during the iteration are not seen.", func(ctx context.Context, s state) error {
			want, err := fill(ctx, s, 3000)
			if err != nil {
				return err
			}
			var got []string
			for r, err := range s.Scan(ctx, "") {
				if err != nil {
					return err
				}
				if len(got) == 2 {
					// Behind and ahead of the iteration: changed, removed, added, and changed twice.
					if err := commit(ctx, s, put(want[0], "changed"), put(want[2000], "changed"), del(want[2002]), put(want[2004]+"+", "added"), put("zz", "added"), del(want[4])); err != nil {
						return err
					}
					if err := commit(ctx, s, put(want[2000], "again"), put(want[2002], "back"), del(want[5998])); err != nil {
						return err
					}
				}
				got = append(got, r.Key, string(r.Value))
			}
			if !slices.Equal(got, want) {
				return errors.New("a scan saw commits that were made during it")
			}
			return get(ctx, s, "zz", "added")
		}},
		{"scan-commit", "Commits of any size go through while a scan is under way in the same goroutine.", func(ctx context.Context, s state) error {
			if _, err := fill(ctx, s, 50); err != nil {
				return err
			}
			big := strings.Repeat("x", 1<<20)
			n := 0
			for _, err := range s.Scan(ctx, "") {
				if err != nil {
					return err
				}
				if n++; n <= 8 {
					if err := commit(ctx, s, put("big"+strconv.Itoa(n), big)); err != nil {
						return err
					}
				}
			}
			return get(ctx, s, "big8", big)
		}},
		{"scan-break", "A scan may be left early; the State works afterwards.", func(ctx context.Context, s state) error {
			if _, err := fill(ctx, s, 1000); err != nil {
				return err
			}
			for range 3 {
				for _, err := range s.Scan(ctx, "") {
					if err != nil {
						return err
					}
					break
				}
			}
			return steps(
				func() error { return commit(ctx, s, put("after", "1")) },
				func() error { return get(ctx, s, "after", "1") })
		}},
		{"scan-nested", "Scans may be nested and run at the same time.", func(ctx context.Context, s state) error {
			if _, err := fill(ctx, s, 20); err != nil {
				return err
			}
			n := 0
			for _, err := range s.Scan(ctx, "") {
				if err != nil {
					return err
				}
				for _, err := range s.Scan(ctx, "") {
					if err != nil {
						return err
					}
					n++
				}
			}
			if n != 400 {
				return fmt.Errorf("20 scans of 20 keys gave %d records", n)
			}
			return nil
		}},
		{"scan-again", "A sequence can be iterated again and then shows the State of that time.", func(ctx context.Context, s state) error {
			if err := commit(ctx, s, put("first", "v")); err != nil {
				return err
			}
			seq := s.Scan(ctx, "")
			for n := range 3 {
				got := -1
				for _, err := range seq {
					if err != nil {
						return err
					}
					got++
				}
				if got != n {
					return fmt.Errorf("the sequence gives %d records where there are %d", got+1, n+1)
				}
				if err := commit(ctx, s, put("k"+strconv.Itoa(n), "v")); err != nil {
					return err
				}
			}
			return nil
		}},
		{"scan-values", "What a scan gives is not the State's own memory: changing it changes nothing.", func(ctx context.Context, s state) error {
			if err := commit(ctx, s, put("k", "value")); err != nil {
				return err
			}
			for r, err := range s.Scan(ctx, "") {
				if err != nil {
					return err
				}
				clear(r.Value)
			}
			return get(ctx, s, "k", "value")
		}},
	}
}

func fill(ctx context.Context, s state, n int) ([]string, error) {
	var ops []op
	var want []string
	for i := range n {
		k, v := fmt.Sprintf("key/%06d", i), fmt.Sprintf("value %d", i)
		ops = append(ops, put(k, v))
		want = append(want, k, v)
	}
	return want, commit(ctx, s, ops...)
}

func limitCases() []Case {
	refused := func(o op) func(context.Context, state) error {
		return func(ctx context.Context, s state) error {
			if s.Commit(ctx, []op{put("other", "v"), o}) == nil {
				return errors.New("the commit went through")
			}
			return holds(ctx, s)
		}
	}
	return []Case{
		{"key-empty", "An empty key is refused and nothing of the commit is done.", refused(put("", "v"))},
		{"key-too-long", "A key of more than 512 bytes is refused and nothing of the commit is done.", refused(put(strings.Repeat("k", maxKey+1), "v"))},
		{"key-not-utf8", "A key that is not UTF-8 is refused and nothing of the commit is done.", refused(put("k\xff", "v"))},
		{"value-too-long", "A value of more than 16 MiB is refused and nothing of the commit is done.", refused(op{Key: "k", Value: make([]byte, maxValue+1)})},
		{"key-longest", "A key of 512 bytes is accepted.", func(ctx context.Context, s state) error {
			k := strings.Repeat("é", maxKey/2)
			return steps(func() error { return commit(ctx, s, put(k, "v")) }, func() error { return holds(ctx, s, k, "v") })
		}},
		{"value-longest", "A value of 16 MiB is accepted.", func(ctx context.Context, s state) error {
			v := bytes.Repeat([]byte("0123456789abcdef"), maxValue/16)
			if err := s.Commit(ctx, []op{{Key: "k", Value: v}}); err != nil {
				return err
			}
			return get(ctx, s, "k", string(v))
		}},
	}
}

func lifeCases() []Case {
	return []Case{
		{"closed-get", "Get fails once the State is closed, and not with ErrNotFound.", func(ctx context.Context, s state) error {
			if err := errors.Join(commit(ctx, s, put("k", "v")), s.Close()); err != nil {
				return err
			}
			if _, err := s.Get(ctx, "k"); err == nil || errors.Is(err, ldapsync.ErrNotFound) {
				return fmt.Errorf("get from a closed State: %v", err)
			}
			return nil
		}},
		{"closed-commit", "Commit fails once the State is closed.", func(ctx context.Context, s state) error {
			if err := s.Close(); err != nil {
				return err
			}
			if s.Commit(ctx, []op{put("k", "v")}) == nil {
				return errors.New("the commit went through")
			}
			return nil
		}},
		{"closed-scan", "Scan gives an error once the State is closed: an ended State is not an empty one.", func(ctx context.Context, s state) error {
			if err := s.Close(); err != nil {
				return err
			}
			for _, err := range s.Scan(ctx, "") {
				if err != nil {
					return nil
				}
			}
			return errors.New("the scan ended without an error")
		}},
	}
}
