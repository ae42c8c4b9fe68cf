package targettest_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/ldapfilter"
	"go.internal/hybridkit/ldapsync/memdir"
	"go.internal/hybridkit/ldapsync/targettest"
)

type (
	ctx    = context.Context
	object = ldapsync.Object
	query  = ldapsync.Query
	change = ldapsync.Change
	ref    = ldapsync.ContainerRef
	place  = ldapsync.Container
	guid   = ldapsync.GUID
	seq    = iter.Seq2[object, error]
)

// The attributes of the suite where the fixture names none.
const (
	text, text2, text3, multi, binary = "displayName", "department", "title", "otherTelephone", "jpegPhoto"
)

var errSabotage = errors.New("sabotage")

// A saboteur is a memdir, which keeps the contracts, with one method replaced. Each replacement breaks one clause
// and is, where that needs it, triggered by the world of the case that it is meant for, so that no other case
// notices.
type saboteur struct {
	*memdir.Dir
	info      func(*saboteur, ctx) (ldapsync.DirectoryInfo, error)
	container func(*saboteur, ctx, ref) (place, error)
	children  func(*saboteur, ctx, place) ([]place, error)
	read      func(*saboteur, ctx, query) seq
	look      func(s *saboteur, c ctx, id guid, attrs []string) (object, error)
	absent    func(*saboteur, ctx, guid, []string) ([]ldapsync.Presence, error)
	listing   func(*saboteur, ctx, place) (ldapsync.Presence, error)
	write     func(*saboteur, ctx, change) (guid, error)

	mu     sync.Mutex
	active int // reads under way
	flag   bool
	kept   []object
}

func (s *saboteur) Info(c ctx) (ldapsync.DirectoryInfo, error) {
	if s.info != nil {
		return s.info(s, c)
	}
	return s.Dir.Info(c)
}
func (s *saboteur) Container(c ctx, r ref) (place, error) {
	if s.container != nil {
		return s.container(s, c, r)
	}
	return s.Dir.Container(c, r)
}
func (s *saboteur) ChildContainers(c ctx, p place) ([]place, error) {
	if s.children != nil {
		return s.children(s, c, p)
	}
	return s.Dir.ChildContainers(c, p)
}
func (s *saboteur) Read(c ctx, q query) seq {
	inner := s.Dir.Read(c, q)
	if s.read != nil {
		inner = s.read(s, c, q)
	}
	return func(yield func(object, error) bool) {
		s.count(1)
		defer s.count(-1)
		inner(yield)
	}
}
func (s *saboteur) Locate(c ctx, id guid, attrs []string) (object, error) { return s.Get(c, id, attrs) }
func (s *saboteur) Get(c ctx, id guid, attrs []string) (object, error) {
	if s.look != nil {
		return s.look(s, c, id, attrs)
	}
	return s.Dir.Get(c, id, attrs)
}
func (s *saboteur) VerifyAbsent(c ctx, id guid, attrs []string) ([]ldapsync.Presence, error) {
	if s.absent != nil {
		return s.absent(s, c, id, attrs)
	}
	return s.Dir.VerifyAbsent(c, id, attrs)
}
func (s *saboteur) VerifyListing(c ctx, p place) (ldapsync.Presence, error) {
	if s.listing != nil {
		return s.listing(s, c, p)
	}
	return s.Dir.VerifyListing(c, p)
}
func (s *saboteur) Write(c ctx, ch change) (guid, error) {
	ch.Edits = slices.Clone(ch.Edits)
	if s.write != nil {
		return s.write(s, c, ch)
	}
	return s.Dir.Write(c, ch)
}
func (s *saboteur) count(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active += n
	return s.active
}

func (s *saboteur) exists(id guid) bool { _, ok := s.Object(id); return ok }

// at returns the identity of what is at a DN.
func (s *saboteur) at(dn ldapsync.DN) (guid, bool) {
	o, ok := s.At(dn.String())
	return o.ID, ok
}

// now returns the values an edited attribute has.
func (s *saboteur) now(ch change, i int) []string {
	o, _ := s.Object(ch.ID)
	return o.All(ch.Edits[i].Attr)
}

func reading(f func(*saboteur, ctx, query) seq) *saboteur { return &saboteur{read: f} }

// asking changes the query.
func asking(f func(s *saboteur, q query) query) *saboteur {
	return reading(func(s *saboteur, c ctx, q query) seq { return s.Dir.Read(c, f(s, q)) })
}

// showing changes or drops the objects of a read.
func showing(f func(s *saboteur, q query, o object) (object, bool)) *saboteur {
	return reading(func(s *saboteur, c ctx, q query) seq {
		return func(yield func(object, error) bool) {
			for o, err := range s.Dir.Read(c, q) {
				ok := true
				if err == nil {
					o, ok = f(s, q, o)
				}
				if ok && !yield(o, err) {
					return
				}
			}
		}
	})
}

func failing(err error) seq {
	return func(yield func(object, error) bool) { yield(object{}, err) }
}

// writing changes the change.
func writing(f func(s *saboteur, ch change) change) *saboteur {
	return &saboteur{write: func(s *saboteur, c ctx, ch change) (guid, error) {
		id := ch.ID
		got, err := s.Dir.Write(c, f(s, ch))
		if err == nil && !id.IsZero() {
			got = id
		}
		return got, err
	}}
}

// updating is writing for the case that one attribute is edited.
func updating(f func(s *saboteur, e *ldapsync.Edit, now []string)) *saboteur {
	return writing(func(s *saboteur, ch change) change {
		if ch.Op == ldapsync.OpUpdate && len(ch.Edits) == 1 && s.exists(ch.ID) {
			f(s, &ch.Edits[0], s.now(ch, 0))
		}
		return ch
	})
}

// believing makes the precondition of an edit hold if f says so.
func believing(f func(before, after, now []string) bool) *saboteur {
	return updating(func(_ *saboteur, e *ldapsync.Edit, now []string) {
		if f(e.Before, e.After, now) {
			e.Before = now
		}
	})
}

// skipping claims success of updates of one attribute that would be carried out.
func skipping(f func(e ldapsync.Edit) bool) *saboteur {
	return &saboteur{write: func(s *saboteur, c ctx, ch change) (guid, error) {
		if ch.Op == ldapsync.OpUpdate && len(ch.Edits) == 1 && s.exists(ch.ID) && slices.Equal(s.now(ch, 0), ch.Edits[0].Before) && f(ch.Edits[0]) {
			return ch.ID, nil
		}
		return s.Dir.Write(c, ch)
	}}
}

// after does something once a change was made.
func after(f func(s *saboteur, ch change)) *saboteur {
	return &saboteur{write: func(s *saboteur, c ctx, ch change) (guid, error) {
		id, err := s.Dir.Write(c, ch)
		if err == nil {
			f(s, ch)
		}
		return id, err
	}}
}

// mistaking replaces errors of writes.
func mistaking(f func(ch change, err error) error) *saboteur {
	return &saboteur{write: func(s *saboteur, c ctx, ch change) (guid, error) {
		id, err := s.Dir.Write(c, ch)
		if err != nil {
			if err = f(ch, err); err == nil {
				id = ch.ID
			}
		}
		return id, err
	}}
}

func subset(a, b []string) bool {
	return !slices.ContainsFunc(a, func(v string) bool { return !slices.Contains(b, v) })
}

func foldEqual(a, b []string) bool {
	return len(a) == 1 && len(b) == 1 && a[0] != b[0] && strings.EqualFold(a[0], b[0])
}

func nobody(id guid) bool { return id[0] == 0xde && id[1] == 0xad }

// redirecting makes changes go to whatever is at the DN of the plan, if f says so.
func redirecting(f func(s *saboteur, ch change, there guid) bool) *saboteur {
	return writing(func(s *saboteur, ch change) change {
		if there, ok := s.at(ch.DN); ok && ch.Op != ldapsync.OpCreate && there != ch.ID && f(s, ch, there) {
			ch.ID = there
		}
		return ch
	})
}

// saboteurs has one entry for each case of both suites, which must fail that case and no other.
var saboteurs = map[string]func() *saboteur{
	"info-kind": func() *saboteur {
		return &saboteur{info: func(*saboteur, ctx) (ldapsync.DirectoryInfo, error) { return ldapsync.DirectoryInfo{}, nil }}
	},
	"container-by-dn": func() *saboteur {
		return &saboteur{container: func(s *saboteur, c ctx, r ref) (place, error) {
			if r.ID.IsZero() && r.DN == strings.ToUpper(r.DN) {
				return place{}, ldapsync.ErrNotFound
			}
			return s.Dir.Container(c, r)
		}}
	},
	"container-by-id": func() *saboteur {
		return &saboteur{container: func(s *saboteur, c ctx, r ref) (place, error) {
			if r.DN == "" {
				return place{}, ldapsync.ErrNotFound
			}
			return s.Dir.Container(c, r)
		}}
	},
	"container-id-after-rename": func() *saboteur {
		return &saboteur{container: func(s *saboteur, c ctx, r ref) (place, error) {
			if _, err := s.Dir.Container(c, ref{DN: r.DN}); r.DN != "" && err != nil {
				return place{}, err
			}
			return s.Dir.Container(c, r)
		}}
	},
	"container-awkward-names": func() *saboteur {
		return &saboteur{container: func(s *saboteur, c ctx, r ref) (place, error) {
			return s.Dir.Container(c, ref{ID: r.ID, DN: strings.ReplaceAll(r.DN, `\`, "")})
		}}
	},
	"container-missing-dn": func() *saboteur {
		return &saboteur{container: func(s *saboteur, c ctx, r ref) (place, error) {
			p, err := s.Dir.Container(c, r)
			if r.ID.IsZero() && errors.Is(err, ldapsync.ErrNotFound) {
				err = nil
			}
			return p, err
		}}
	},
	"container-missing-id": func() *saboteur {
		return &saboteur{container: func(s *saboteur, c ctx, r ref) (place, error) {
			p, err := s.Dir.Container(c, r)
			if !r.ID.IsZero() && err != nil {
				return s.Dir.Container(c, ref{DN: r.DN})
			}
			return p, err
		}}
	},

	"read-one-level": func() *saboteur {
		return asking(func(s *saboteur, q query) query {
			_, tree := s.at(q.Container.DN.Child("OU", "Level 2"))
			q.Subtree = q.Subtree || tree
			return q
		})
	},
	"read-subtree": func() *saboteur {
		return asking(func(_ *saboteur, q query) query { q.Subtree = false; return q })
	},
	"read-empty": func() *saboteur {
		return reading(func(s *saboteur, c ctx, q query) seq {
			if o, ok := s.Object(q.Container.ID); ok && o.DN.Equal(q.Container.DN) && s.Len() == 3 {
				return failing(ldapsync.ErrNotFound)
			}
			return s.Dir.Read(c, q)
		})
	},
	"read-class": func() *saboteur {
		return reading(func(s *saboteur, c ctx, q query) seq {
			if q.Class != ldapsync.User || q.Filter != "" {
				return s.Dir.Read(c, q)
			}
			return func(yield func(object, error) bool) {
				q.Class = 0
				for o, err := range s.Dir.Read(c, q) {
					if (err != nil || o.Class != 0) && !yield(o, err) {
						return
					}
				}
			}
		})
	},
	"read-identity": func() *saboteur {
		return showing(func(_ *saboteur, _ query, o object) (object, bool) { o.ID[3] ^= 1; return o, true })
	},
	"read-each-once": func() *saboteur {
		return reading(func(s *saboteur, c ctx, q query) seq {
			return func(yield func(object, error) bool) {
				n := 0
				for o, err := range s.Dir.Read(c, q) {
					n++
					if !yield(o, err) || n == 40 && len(q.Attrs) == 1 && !yield(o, err) {
						return
					}
				}
			}
		})
	},
	"read-attrs": func() *saboteur {
		return showing(func(_ *saboteur, q query, o object) (object, bool) {
			if len(q.Attrs) > 0 {
				o = o.With("uid", "x")
			}
			return o, true
		})
	},
	"read-no-attrs": func() *saboteur {
		return showing(func(_ *saboteur, q query, o object) (object, bool) {
			if len(q.Attrs) == 0 {
				o = o.With("uid", "x")
			}
			return o, true
		})
	},
	"read-attr-case": func() *saboteur {
		return asking(func(_ *saboteur, q query) query {
			q.Attrs = slices.DeleteFunc(slices.Clone(q.Attrs), func(a string) bool { return a == strings.ToUpper(a) })
			return q
		})
	},
	"read-absent": func() *saboteur {
		return showing(func(_ *saboteur, q query, o object) (object, bool) {
			if slices.Contains(q.Attrs, text3) {
				o = o.WithUnreadable(text3)
			}
			return o, true
		})
	},
	"read-multi": func() *saboteur {
		return showing(func(_ *saboteur, _ query, o object) (object, bool) {
			if v := o.All(multi); len(v) > 1 {
				o = o.With(multi, v[:2]...)
			}
			return o, true
		})
	},
	"read-binary": func() *saboteur {
		return showing(func(_ *saboteur, _ query, o object) (object, bool) {
			var v []string
			for _, b := range o.All(binary) {
				v = append(v, strings.ToValidUTF8(b, "\uFFFD"))
			}
			return o.With(binary, v...), true
		})
	},
	"read-unicode": func() *saboteur {
		return showing(func(_ *saboteur, _ query, o object) (object, bool) {
			if v, ok := o.Get(text); ok {
				o = o.With(text, strings.Join(strings.Fields(v), " "))
			}
			return o, true
		})
	},
	"read-awkward-names": func() *saboteur {
		return showing(func(_ *saboteur, _ query, o object) (object, bool) {
			_, n := o.DN.RDN()
			return o, !strings.Contains(n, "*")
		})
	},
	"read-awkward-container": func() *saboteur {
		return showing(func(_ *saboteur, q query, o object) (object, bool) {
			return o, !strings.Contains(q.Container.DN.String(), `\`)
		})
	},
	"read-filter": func() *saboteur {
		return asking(func(_ *saboteur, q query) query {
			if q.Filter != "" {
				q.Class = 0
			}
			return q
		})
	},
	"read-filter-malformed": func() *saboteur {
		return asking(func(_ *saboteur, q query) query {
			if _, err := ldapfilter.Parse(q.Filter); err != nil {
				q.Filter = ""
			}
			return q
		})
	},
	"read-missing-container": func() *saboteur {
		return reading(func(s *saboteur, c ctx, q query) seq {
			if nobody(q.Container.ID) {
				return func(func(object, error) bool) {}
			}
			return s.Dir.Read(c, q)
		})
	},
	"read-renamed-container": func() *saboteur {
		return reading(func(s *saboteur, c ctx, q query) seq {
			if _, ok := s.at(q.Container.DN); !ok {
				return failing(ldapsync.ErrNotFound)
			}
			return s.Dir.Read(c, q)
		})
	},
	"read-moved": func() *saboteur {
		return reading(func(s *saboteur, c ctx, q query) seq {
			if _, ok := s.at(q.Container.DN.Child("OU", "Leavers")); !ok {
				return s.Dir.Read(c, q)
			}
			return func(yield func(object, error) bool) {
				if s.kept == nil {
					for o := range s.Dir.Read(c, q) {
						s.kept = append(s.kept, o)
					}
				}
				for _, o := range s.kept {
					if !yield(o, nil) {
						return
					}
				}
			}
		})
	},
	"read-break": func() *saboteur {
		return reading(func(s *saboteur, c ctx, q query) seq {
			return func(yield func(object, error) bool) {
				n, short := 0, s.flag
				for o, err := range s.Dir.Read(c, q) {
					if n++; short && n > 10 {
						return
					}
					if !yield(o, err) {
						s.flag = err == nil
						return
					}
				}
			}
		})
	},
	"read-again": func() *saboteur {
		return reading(func(s *saboteur, c ctx, q query) seq {
			var all []object
			var errs []error
			done := false
			return func(yield func(object, error) bool) {
				if !done {
					done = true
					for o, err := range s.Dir.Read(c, q) {
						all, errs = append(all, o), append(errs, err)
						if !yield(o, err) {
							return
						}
					}
					return
				}
				for i, o := range all {
					if !yield(o, errs[i]) {
						return
					}
				}
			}
		})
	},
	"read-concurrent": func() *saboteur {
		return reading(func(s *saboteur, c ctx, q query) seq {
			return func(yield func(object, error) bool) {
				for o, err := range s.Dir.Read(c, q) {
					if s.count(0) > 1 {
						yield(object{}, errSabotage)
						return
					}
					if len(q.Attrs) > 1 {
						time.Sleep(100 * time.Microsecond)
					}
					if !yield(o, err) {
						return
					}
				}
			}
		})
	},
	"read-nested": func() *saboteur {
		return &saboteur{container: func(s *saboteur, c ctx, r ref) (place, error) {
			if s.count(0) > 0 {
				return place{}, errSabotage
			}
			return s.Dir.Container(c, r)
		}}
	},
	"read-cancelled": func() *saboteur {
		return reading(func(s *saboteur, c ctx, q query) seq {
			if c.Err() != nil {
				c = context.WithoutCancel(c)
			}
			return s.Dir.Read(c, q)
		})
	},
	"read-cancel-midway": func() *saboteur {
		return reading(func(s *saboteur, c ctx, q query) seq {
			return func(yield func(object, error) bool) {
				n := 0
				for o, err := range s.Dir.Read(c, q) {
					if err != nil && c.Err() != nil && n > 0 {
						return
					}
					n++
					if !yield(o, err) {
						return
					}
				}
			}
		})
	},
	"read-partial": func() *saboteur {
		return reading(func(s *saboteur, c ctx, q query) seq {
			return func(yield func(object, error) bool) {
				for o, err := range s.Dir.Read(c, q) {
					if errors.Is(err, ldapsync.ErrPartial) && c.Err() == nil {
						return
					}
					if !yield(o, err) {
						return
					}
				}
			}
		})
	},

	"children": func() *saboteur {
		return &saboteur{children: func(s *saboteur, c ctx, p place) ([]place, error) {
			list, err := s.Dir.ChildContainers(c, p)
			for _, k := range list {
				below, _ := s.Dir.ChildContainers(c, k)
				list = append(list, below...)
			}
			return list, err
		}}
	},
	"children-none": func() *saboteur {
		return &saboteur{children: func(s *saboteur, c ctx, p place) ([]place, error) {
			list, err := s.Dir.ChildContainers(c, p)
			if err == nil && len(list) == 0 {
				err = ldapsync.ErrNotFound
			}
			return list, err
		}}
	},
	"children-missing": func() *saboteur {
		return &saboteur{children: func(s *saboteur, c ctx, p place) ([]place, error) {
			list, _ := s.Dir.ChildContainers(c, p)
			return list, nil
		}}
	},
	"locate": func() *saboteur {
		return &saboteur{look: func(s *saboteur, c ctx, id guid, attrs []string) (object, error) {
			return s.Dir.Get(c, id, append(slices.Clone(attrs), text2))
		}}
	},
	"locate-moved":   func() *saboteur { return blindTo("OU=Leavers") },
	"locate-renamed": func() *saboteur { return blindTo(`\,`) },
	"locate-deleted": func() *saboteur {
		return &saboteur{look: func(s *saboteur, c ctx, id guid, attrs []string) (object, error) {
			o, err := s.Dir.Get(c, id, attrs)
			if err != nil && !nobody(id) {
				return object{ID: id}, nil
			}
			return o, err
		}}
	},
	"locate-unknown": forgetting,
	"verify-absent": func() *saboteur {
		return &saboteur{absent: func(s *saboteur, c ctx, id guid, attrs []string) ([]ldapsync.Presence, error) {
			list, err := s.Dir.VerifyAbsent(c, id, attrs)
			if len(list) == 3 {
				list = list[:2]
			}
			return list, err
		}}
	},
	"verify-unreadable": func() *saboteur {
		return &saboteur{absent: func(_ *saboteur, _ ctx, _ guid, attrs []string) ([]ldapsync.Presence, error) {
			return make([]ldapsync.Presence, len(attrs)), nil
		}}
	},
	"verify-unreadable-read": func() *saboteur {
		return showing(func(s *saboteur, q query, o object) (object, bool) {
			full, _ := s.Object(o.ID)
			for _, a := range q.Attrs {
				o = o.With(a, full.All(a)...)
			}
			return o, true
		})
	},
	"verify-listing": func() *saboteur {
		return &saboteur{listing: func(*saboteur, ctx, place) (ldapsync.Presence, error) { return ldapsync.Unreadable, nil }}
	},
	"verify-listing-denied": func() *saboteur {
		return &saboteur{listing: func(*saboteur, ctx, place) (ldapsync.Presence, error) { return ldapsync.Present, nil }}
	},

	"get": func() *saboteur {
		return &saboteur{look: func(s *saboteur, c ctx, id guid, attrs []string) (object, error) {
			return s.Dir.Get(c, id, append(slices.Clone(attrs), text2))
		}}
	},
	"get-values": func() *saboteur {
		return &saboteur{look: func(s *saboteur, c ctx, id guid, attrs []string) (object, error) {
			o, err := s.Dir.Get(c, id, attrs)
			if v := o.All(multi); len(v) > 1 {
				o = o.With(multi, v[0])
			}
			return o, err
		}}
	},
	"get-missing": forgetting,
	"get-moved":   func() *saboteur { return blindTo("OU=Elsewhere") },

	"update-set": func() *saboteur {
		return skipping(func(e ldapsync.Edit) bool { return len(e.Before) == 0 && slices.Equal(e.After, []string{"Nurse"}) })
	},
	"update-change": func() *saboteur {
		return after(func(s *saboteur, ch change) {
			if ch.Op == ldapsync.OpUpdate && len(ch.Edits) == 1 && len(ch.Edits[0].Before) == 1 && len(ch.Edits[0].After) == 1 && ch.Edits[0].Attr == text2 {
				_ = s.Set(ch.ID, text)
			}
		})
	},
	"update-clear": func() *saboteur { return skipping(func(e ldapsync.Edit) bool { return len(e.After) == 0 }) },
	"update-several": func() *saboteur {
		return writing(func(_ *saboteur, ch change) change {
			if ch.Op == ldapsync.OpUpdate && len(ch.Edits) == 3 {
				ch.Edits = ch.Edits[:2]
			}
			return ch
		})
	},
	"update-case": func() *saboteur {
		return skipping(func(e ldapsync.Edit) bool { return foldEqual(e.Before, e.After) })
	},
	"update-unicode": func() *saboteur {
		return updating(func(_ *saboteur, e *ldapsync.Edit, _ []string) {
			if e.Attr == text && len(e.After) == 1 {
				e.After = []string{strings.Join(strings.Fields(e.After[0]), " ")}
			}
		})
	},
	"update-binary": func() *saboteur {
		return updating(func(_ *saboteur, e *ldapsync.Edit, _ []string) {
			e.After = slices.Clone(e.After)
			for i := range e.After {
				e.After[i] = strings.ToValidUTF8(e.After[i], "\uFFFD")
			}
		})
	},
	"update-multi": func() *saboteur {
		return updating(func(_ *saboteur, e *ldapsync.Edit, _ []string) {
			if len(e.Before) == 3 && len(e.After) == 2 {
				e.After = slices.Compact(slices.Sorted(slices.Values(slices.Concat(e.Before, e.After))))
			}
		})
	},
	"update-multi-order": func() *saboteur {
		return updating(func(_ *saboteur, e *ldapsync.Edit, now []string) {
			if ldapsync.SameValues(e.Before, now) && !slices.Equal(e.Before, now) {
				e.Before = []string{"none"}
			}
		})
	},
	"update-moved": func() *saboteur {
		return redirecting(func(s *saboteur, ch change, _ guid) bool { return ch.Op == ldapsync.OpUpdate && s.exists(ch.ID) })
	},
	"update-missing": func() *saboteur {
		return mistaking(func(ch change, err error) error {
			if ch.Op == ldapsync.OpUpdate && nobody(ch.ID) {
				return errSabotage
			}
			return err
		})
	},
	"update-deleted": func() *saboteur {
		return redirecting(func(s *saboteur, ch change, _ guid) bool { return ch.Op == ldapsync.OpUpdate && !s.exists(ch.ID) })
	},
	"update-read": func() *saboteur {
		return &saboteur{look: func(s *saboteur, c ctx, id guid, attrs []string) (object, error) {
			o, err := s.Dir.Get(c, id, attrs)
			if v, _ := o.Get(text2); v == "Ward 9" {
				o = o.With(text2, "Ward 3")
			}
			return o, err
		}}
	},

	"precondition-changed": func() *saboteur {
		return believing(func(before, after, now []string) bool {
			return slices.Equal(before, []string{"Ward 2"}) && len(after) > 0
		})
	},
	"precondition-case": func() *saboteur {
		return believing(func(before, _, now []string) bool { return foldEqual(before, now) })
	},
	"precondition-added": func() *saboteur {
		return believing(func(before, _, now []string) bool { return len(before) == 0 && len(now) > 0 })
	},
	"precondition-gone": func() *saboteur {
		return believing(func(before, _, now []string) bool { return len(before) > 0 && len(now) == 0 })
	},
	"precondition-clear": func() *saboteur {
		return believing(func(_, after, _ []string) bool { return len(after) == 0 })
	},
	"precondition-more": func() *saboteur {
		return believing(func(before, _, now []string) bool {
			return len(before) > 0 && len(before) < len(now) && subset(before, now)
		})
	},
	"precondition-fewer": func() *saboteur {
		return believing(func(before, _, now []string) bool {
			return len(now) > 0 && len(now) < len(before) && subset(now, before)
		})
	},
	"precondition-whole": func() *saboteur {
		return &saboteur{write: func(s *saboteur, c ctx, ch change) (guid, error) {
			id, err := s.Dir.Write(c, ch)
			if errors.Is(err, ldapsync.ErrPrecondition) && len(ch.Edits) == 3 {
				ch.Edits = ch.Edits[:1]
				_, _ = s.Dir.Write(c, ch)
			}
			return id, err
		}}
	},
	"repeat": func() *saboteur {
		return &saboteur{write: func(s *saboteur, c ctx, ch change) (guid, error) {
			if ch.Op == ldapsync.OpUpdate && len(ch.Edits) == 2 && slices.Equal(s.now(ch, 0), ch.Edits[0].After) && slices.Equal(s.now(ch, 1), ch.Edits[1].After) {
				return guid{}, ldapsync.ErrPrecondition
			}
			return s.Dir.Write(c, ch)
		}}
	},
	"repeat-multi": func() *saboteur {
		return updating(func(_ *saboteur, e *ldapsync.Edit, now []string) {
			if ldapsync.SameValues(e.After, now) && !slices.Equal(e.After, now) {
				e.After = []string{"none"}
			}
		})
	},
	"repeat-partly": func() *saboteur {
		return writing(func(s *saboteur, ch change) change {
			if ch.Op == ldapsync.OpUpdate && len(ch.Edits) == 2 {
				var left []ldapsync.Edit
				for i, e := range ch.Edits {
					if !slices.Equal(s.now(ch, i), e.After) {
						left = append(left, e)
					}
				}
				ch.Edits = left
			}
			return ch
		})
	},
	"concurrent": func() *saboteur {
		return &saboteur{write: func(s *saboteur, c ctx, ch change) (guid, error) {
			if len(ch.Edits) != 1 || len(ch.Edits[0].After) != 1 || !strings.HasPrefix(ch.Edits[0].After[0], "Floor") {
				return s.Dir.Write(c, ch)
			}
			if !slices.Equal(s.now(ch, 0), ch.Edits[0].Before) {
				return guid{}, ldapsync.ErrPrecondition
			}
			time.Sleep(2 * time.Millisecond)
			return ch.ID, s.Set(ch.ID, ch.Edits[0].Attr, ch.Edits[0].After...)
		}}
	},

	"create": func() *saboteur {
		return creating(func(_ *saboteur, ch change) change {
			for i, e := range ch.Edits {
				ch.Edits[i].After = e.After[:1]
			}
			return ch
		})
	},
	"create-class": func() *saboteur {
		return creating(func(_ *saboteur, ch change) change { ch.Class = ldapsync.User; return ch })
	},
	"create-awkward-names": func() *saboteur {
		return creating(func(_ *saboteur, ch change) change {
			_, n := ch.DN.RDN()
			ch.DN = ch.DN.Parent().Child("CN", strings.ReplaceAll(n, "*", ""))
			return ch
		})
	},
	"create-exists": func() *saboteur {
		return &saboteur{write: func(s *saboteur, c ctx, ch change) (guid, error) {
			id, err := s.Dir.Write(c, ch)
			if i := slices.IndexFunc(ch.Edits, func(e ldapsync.Edit) bool { return e.Attr == text }); i >= 0 && errors.Is(err, ldapsync.ErrExists) {
				there, _ := s.at(ch.DN)
				_ = s.Set(there, text, ch.Edits[i].After...)
			}
			return id, err
		}}
	},
	"create-repeat": func() *saboteur {
		return creating(func(s *saboteur, ch change) change {
			if _, ok := s.at(ch.DN); ok && !slices.ContainsFunc(ch.Edits, func(e ldapsync.Edit) bool { return e.Attr == text }) {
				_, n := ch.DN.RDN()
				ch.DN = ch.DN.Parent().Child("CN", n+" 2")
			}
			return ch
		})
	},
	"create-no-container": func() *saboteur {
		return creating(func(s *saboteur, ch change) change { _, _ = s.AddOU(ch.DN.Parent().String()); return ch })
	},

	"rename": func() *saboteur {
		return after(func(s *saboteur, ch change) {
			if ch.Op == ldapsync.OpRename {
				_ = s.Set(ch.ID, text)
			}
		})
	},
	"rename-case": func() *saboteur {
		return &saboteur{write: func(s *saboteur, c ctx, ch change) (guid, error) {
			if ch.Op == ldapsync.OpRename && strings.EqualFold(ch.OldName, ch.NewName) {
				return ch.ID, nil
			}
			return s.Dir.Write(c, ch)
		}}
	},
	"rename-awkward-names": func() *saboteur {
		return writing(func(_ *saboteur, ch change) change {
			ch.NewName = strings.ReplaceAll(ch.NewName, `"`, "")
			return ch
		})
	},
	"rename-moved": func() *saboteur {
		return after(func(s *saboteur, ch change) {
			if ch.Op == ldapsync.OpRename {
				_ = s.Move(ch.ID, ch.DN.Parent())
			}
		})
	},
	"rename-precondition": func() *saboteur {
		return writing(func(_ *saboteur, ch change) change {
			if ch.OldName == "Anna" {
				ch.OldName = "Ann"
			}
			return ch
		})
	},
	"rename-repeat": func() *saboteur {
		return &saboteur{write: func(s *saboteur, c ctx, ch change) (guid, error) {
			if o, ok := s.Object(ch.ID); ok && ch.Op == ldapsync.OpRename {
				if _, n := o.DN.RDN(); n != ch.OldName && n == ch.NewName {
					return guid{}, ldapsync.ErrPrecondition
				}
			}
			return s.Dir.Write(c, ch)
		}}
	},
	"rename-exists": func() *saboteur {
		return mistaking(func(ch change, err error) error {
			if ch.Op == ldapsync.OpRename && errors.Is(err, ldapsync.ErrExists) {
				return nil
			}
			return err
		})
	},
	"rename-missing": func() *saboteur {
		return mistaking(func(ch change, err error) error {
			if ch.Op == ldapsync.OpRename && errors.Is(err, ldapsync.ErrNotFound) {
				return nil
			}
			return err
		})
	},

	"delete": func() *saboteur {
		return after(func(s *saboteur, ch change) {
			if id, ok := s.at(ch.DN.Parent().Child("CN", "Bob")); ok && ch.Op == ldapsync.OpDelete {
				_ = s.Delete(id)
			}
		})
	},
	"delete-gone": func() *saboteur {
		return redirecting(func(s *saboteur, ch change, _ guid) bool { return ch.Op == ldapsync.OpDelete && !s.exists(ch.ID) })
	},
	"delete-precondition": func() *saboteur {
		return writing(func(_ *saboteur, ch change) change {
			if ch.Op == ldapsync.OpDelete {
				ch.Edits = nil
			}
			return ch
		})
	},
	"delete-precondition-holds": func() *saboteur {
		return &saboteur{write: func(s *saboteur, c ctx, ch change) (guid, error) {
			if ch.Op == ldapsync.OpDelete && len(ch.Edits) > 0 {
				return guid{}, ldapsync.ErrPrecondition
			}
			return s.Dir.Write(c, ch)
		}}
	},
	"delete-moved": func() *saboteur {
		return redirecting(func(s *saboteur, ch change, _ guid) bool { return ch.Op == ldapsync.OpDelete && s.exists(ch.ID) })
	},

	"write-no-op": func() *saboteur {
		return writing(func(_ *saboteur, ch change) change {
			if ch.Op == 0 {
				ch.Op = ldapsync.OpUpdate
			}
			return ch
		})
	},
	"write-cancelled": func() *saboteur {
		return &saboteur{write: func(s *saboteur, c ctx, ch change) (guid, error) {
			return s.Dir.Write(context.WithoutCancel(c), ch)
		}}
	},
	"write-busy": func() *saboteur {
		return mistaking(func(_ change, err error) error {
			if errors.Is(err, ldapsync.ErrTransient) {
				return errSabotage
			}
			return err
		})
	},
	"write-lost-answer": func() *saboteur {
		return mistaking(func(_ change, err error) error {
			if errors.Is(err, ldapsync.ErrUnclear) {
				return ldapsync.ErrTransient
			}
			return err
		})
	},
	"write-lost-request": func() *saboteur {
		return mistaking(func(_ change, err error) error {
			if errors.Is(err, ldapsync.ErrUnclear) {
				return nil
			}
			return err
		})
	},
	"write-denied": func() *saboteur {
		return mistaking(func(_ change, err error) error {
			if errors.Is(err, ldapsync.ErrPermission) {
				return errSabotage
			}
			return err
		})
	},
}

// creating is writing for creates.
func creating(f func(*saboteur, change) change) *saboteur {
	return writing(func(s *saboteur, ch change) change {
		if ch.Op == ldapsync.OpCreate {
			ch = f(s, ch)
		}
		return ch
	})
}

// blindTo does not find objects whose DN contains a text.
func blindTo(part string) *saboteur {
	return &saboteur{look: func(s *saboteur, c ctx, id guid, attrs []string) (object, error) {
		o, err := s.Dir.Get(c, id, attrs)
		if err == nil && strings.Contains(o.DN.String(), part) {
			return object{}, ldapsync.ErrNotFound
		}
		return o, err
	}}
}

// forgetting answers for an unknown identity with an error that says nothing.
func forgetting() *saboteur {
	return &saboteur{look: func(s *saboteur, c ctx, id guid, attrs []string) (object, error) {
		o, err := s.Dir.Get(c, id, attrs)
		if err != nil && nobody(id) {
			err = errSabotage
		}
		return o, err
	}}
}

func failed(results map[string]error) []string {
	out := []string{}
	for name, err := range results {
		if err != nil {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

func TestSaboteurs(t *testing.T) {
	for suite, s := range map[string]struct {
		cases []targettest.Case
		check func(context.Context, func(context.Context) (*targettest.Fixture, error)) map[string]error
	}{
		"source": {targettest.SourceCases(), targettest.CheckSource},
		"target": {targettest.TargetCases(), targettest.Check},
	} {
		for _, c := range s.cases {
			t.Run(suite+"/"+c.Name, func(t *testing.T) {
				newSaboteur := saboteurs[c.Name]
				require.NotNil(t, newSaboteur, "a case without a saboteur may be one that cannot fail")
				got := s.check(t.Context(), func(context.Context) (*targettest.Fixture, error) {
					return fixture(func(d *memdir.Dir) (ldapsync.Source, ldapsync.Target) {
						s := newSaboteur()
						s.Dir = d
						return s, s
					})
				})
				require.Equal(t, []string{c.Name}, failed(got), "%v", got)
			})
		}
	}
}

func TestCases(t *testing.T) {
	used := map[string]bool{}
	for _, cases := range [][]targettest.Case{targettest.SourceCases(), targettest.TargetCases()} {
		seen := map[string]bool{}
		for _, c := range cases {
			require.False(t, seen[c.Name], c.Name)
			seen[c.Name], used[c.Name] = true, true
			require.Regexp(t, `^[a-z0-9-]+$`, c.Name)
			require.Regexp(t, `^[A-Z].*\.$`, c.Rule)
		}
	}
	require.Len(t, saboteurs, len(used), "saboteurs without a case")
}

// TestSkips: what a fixture has no means for is skipped, and says so.
func TestSkips(t *testing.T) {
	bare := func(context.Context) (*targettest.Fixture, error) {
		f, err := fixture(func(d *memdir.Dir) (ldapsync.Source, ldapsync.Target) {
			return struct{ ldapsync.Source }{d}, d // no AbsenceVerifier
		})
		if err == nil {
			f.Faults, f.Classes = targettest.Faults{}, []ldapsync.Class{ldapsync.Device}
		}
		return f, err
	}
	var skips []string
	for _, results := range []map[string]error{targettest.Check(t.Context(), bare), targettest.CheckSource(t.Context(), bare)} {
		for name, err := range results {
			if err != nil {
				require.ErrorIs(t, err, targettest.ErrSkipped, name)
				skips = append(skips, name)
			}
		}
	}
	slices.Sort(skips)
	require.Equal(t, []string{"read-class", "read-partial", "verify-absent", "verify-listing", "verify-listing-denied", "verify-unreadable",
		"verify-unreadable-read", "write-busy", "write-denied", "write-lost-answer", "write-lost-request"}, slices.Compact(skips))

	// A fixture that cannot be had fails every case.
	got := targettest.Check(t.Context(), func(context.Context) (*targettest.Fixture, error) { return nil, fmt.Errorf("no server") })
	require.Len(t, failed(got), len(targettest.TargetCases()))
	// So does one without what is under test.
	got = targettest.Check(t.Context(), func(context.Context) (*targettest.Fixture, error) {
		f, err := fixture(nil)
		f.Target = nil
		return f, err
	})
	require.Len(t, failed(got), len(targettest.TargetCases()))
	got = targettest.CheckSource(t.Context(), func(context.Context) (*targettest.Fixture, error) {
		f, err := fixture(nil)
		f.Source = nil
		return f, err
	})
	require.Len(t, failed(got), len(targettest.SourceCases()))
}

func TestRunSkips(t *testing.T) {
	targettest.Run(t, func(t *testing.T) *targettest.Fixture {
		f, err := fixture(func(d *memdir.Dir) (ldapsync.Source, ldapsync.Target) {
			s := saboteurs["rename-case"]()
			s.Dir = d
			return s, s
		})
		require.NoError(t, err)
		return f
	}, map[string]string{"rename-case": "this implementation does not rename by case"})
}
