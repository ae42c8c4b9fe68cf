package ldif

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"strings"
	"time"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/memdir"
)

// A Source is an export in memory. It is safe for concurrent use and never changes.
type Source struct {
	cfg     Config
	dir     *memdir.Dir
	time    time.Time
	domain  ldapsync.Domain
	implied map[ldapsync.GUID]bool // containers that are not in the export, only parts of the names of others
	seen    map[string]bool        // attributes that occur in the export, in lower case
	count   int
}

var (
	_ ldapsync.Source          = (*Source)(nil)
	_ ldapsync.AbsenceVerifier = (*Source)(nil)
)

// Open reads the export at path. The time of the file is what Info says.
func Open(path string, cfg Config) (*Source, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, &Error{Path: path, Reason: "the file cannot be opened: " + reasonOf(err), Err: err}
	}
	defer f.Close()
	s, err := Parse(f, cfg)
	if err != nil {
		if e, ok := errors.AsType[*Error](err); ok {
			e.Path = path
		}
		return nil, err
	}
	if info, err := f.Stat(); err == nil {
		s.time = info.ModTime()
	}
	return s, nil
}

// reasonOf is the error without the path, which the message has already.
func reasonOf(err error) string {
	if pe, ok := errors.AsType[*os.PathError](err); ok {
		return pe.Err.Error()
	}
	return err.Error()
}

// Parse reads an export. All of it is read before Parse returns, and an export with a mistake anywhere is refused
// whole. Errors are *Error.
func Parse(r io.Reader, cfg Config) (*Source, error) {
	cfg = cfg.withDefaults()
	s := &Source{cfg: cfg, dir: memdir.New(memdir.Config{}), domain: cfg.Domain, implied: map[ldapsync.GUID]bool{}, seen: map[string]bool{}}
	var all []entry
	lines := map[ldapsync.GUID]int{}
	for e, err := range records(r, cfg) {
		if err != nil {
			return nil, err
		}
		o, line := e.obj, e.line
		fail := func(format string, args ...any) error {
			return &Error{Line: line, DN: o.DN.String(), Reason: fmt.Sprintf(format, args...)}
		}
		if o.ID.IsZero() {
			return nil, fail("the entry has no objectGUID; export that attribute too, or set DeriveIDs to do without")
		}
		if first, ok := lines[o.ID]; ok {
			return nil, fail("the entry at line %d has the same identity, %s", first, o.ID)
		}
		lines[o.ID] = line
		for a := range o.Attrs() {
			s.seen[strings.ToLower(a.Name)] = true
		}
		all = append(all, e)
	}
	if len(all) == 0 {
		return nil, &Error{Err: ldapsync.ErrPartial, Reason: "there are no entries in it; an empty export is taken for a mistake"}
	}
	s.count = len(all)
	s.nameDomain(all[0].obj.DN)
	// Parents first: an export may have them in any order.
	slices.SortStableFunc(all, func(a, b entry) int { return a.obj.DN.Len() - b.obj.DN.Len() })
	last := "" // entries of one container mostly follow each other
	for _, e := range all {
		if parent := e.obj.DN.Parent(); parent.String() != last {
			last = parent.String()
			if err := s.imply(parent); err != nil {
				return nil, &Error{Line: e.line, DN: e.obj.DN.String(), Reason: err.Error(), Err: err}
			}
		}
		if _, err := s.dir.Add(e.obj); err != nil {
			reason := err.Error()
			if other, ok := s.dir.At(e.obj.DN.String()); ok {
				reason = fmt.Sprintf("the entry at line %d has the same DN", lines[other.ID])
			}
			return nil, &Error{Line: e.line, DN: e.obj.DN.String(), Reason: reason, Err: err}
		}
	}
	return s, nil
}

// imply adds the ancestors of an entry that are not in the export.
func (s *Source) imply(dn ldapsync.DN) error {
	if dn.IsRoot() {
		return nil
	}
	if _, ok := s.dir.At(dn.String()); ok {
		return nil
	}
	if err := s.imply(dn.Parent()); err != nil {
		return err
	}
	id, err := s.dir.Add(ldapsync.NewObject(deriveID(dn), dn, 0))
	s.implied[id] = true
	return err
}

func (s *Source) nameDomain(dn ldapsync.DN) {
	if s.domain.FQDN != "" {
		return
	}
	var parts []string
	for ; !dn.IsRoot(); dn = dn.Parent() {
		if typ, v := dn.RDN(); strings.EqualFold(typ, "DC") {
			parts = append(parts, strings.ToLower(v))
		}
	}
	s.domain.FQDN = strings.Join(parts, ".")
}

// Len returns the number of entries in the export.
func (s *Source) Len() int { return s.count }

// Info says that this is an export, of which domain, and, after Open, how old the file is.
func (s *Source) Info(ctx context.Context) (ldapsync.DirectoryInfo, error) {
	if err := ctx.Err(); err != nil {
		return ldapsync.DirectoryInfo{}, fmt.Errorf("ldif: info: %w", err)
	}
	return ldapsync.DirectoryInfo{Kind: "ldif", Time: s.time, Domain: s.domain}, nil
}

// hidden says of a container that is not in the export why it is not found, and nil of others.
func (s *Source) hidden(c ldapsync.Container) error {
	if s.implied[c.ID] && !s.cfg.DeriveIDs {
		return fmt.Errorf("ldif: the export holds entries below %s but not %s itself: export it too, or set DeriveIDs: %w", c.DN, c.DN, ldapsync.ErrNotFound)
	}
	return nil
}

// Container finds an organisational unit of the export.
func (s *Source) Container(ctx context.Context, ref ldapsync.ContainerRef) (ldapsync.Container, error) {
	c, err := s.dir.Container(ctx, ref)
	if err == nil {
		err = s.hidden(c)
	}
	if err != nil {
		return ldapsync.Container{}, err
	}
	return c, nil
}

// ChildContainers lists the organisational units directly below c that the export holds.
func (s *Source) ChildContainers(ctx context.Context, c ldapsync.Container) ([]ldapsync.Container, error) {
	list, err := s.dir.ChildContainers(ctx, c)
	return slices.DeleteFunc(list, func(c ldapsync.Container) bool { return s.hidden(c) != nil }), err
}

// Read streams the objects the query selects. A zero Class selects entries of every kind.
func (s *Source) Read(ctx context.Context, q ldapsync.Query) iter.Seq2[ldapsync.Object, error] {
	return func(yield func(ldapsync.Object, error) bool) {
		for o, err := range s.dir.Read(ctx, q) {
			if err == nil && s.implied[o.ID] {
				continue
			}
			if !yield(o, err) {
				return
			}
		}
	}
}

// Locate finds an entry by identity.
func (s *Source) Locate(ctx context.Context, id ldapsync.GUID, attrs []string) (ldapsync.Object, error) {
	if s.implied[id] {
		return ldapsync.Object{}, fmt.Errorf("ldif: <GUID=%s>: %w", id, ldapsync.ErrNotFound)
	}
	return s.dir.Locate(ctx, id, attrs)
}

// VerifyAbsent believes that an attribute is absent if it is among Config.Attrs, or, where Config has none, if
// any entry of the export has it. An attribute that no entry has may not have been exported, or not been
// readable for whoever did, and is Unreadable; mS-DS-ConsistencyGuid alone is believed to be absent even then.
func (s *Source) VerifyAbsent(ctx context.Context, id ldapsync.GUID, attrs []string) ([]ldapsync.Presence, error) {
	list, err := s.dir.VerifyAbsent(ctx, id, attrs)
	for i := range list {
		if list[i] != ldapsync.Absent {
			continue
		}
		exported := s.seen[strings.ToLower(attrs[i])] || strings.EqualFold(attrs[i], consistencyGUID)
		if s.cfg.Attrs != nil {
			exported = slices.ContainsFunc(s.cfg.Attrs, func(a string) bool { return strings.EqualFold(a, attrs[i]) })
		}
		if !exported {
			list[i] = ldapsync.Unreadable
		}
	}
	return list, err
}

// VerifyListing believes that the export lists what is in a container that it holds.
func (s *Source) VerifyListing(ctx context.Context, c ldapsync.Container) (ldapsync.Presence, error) {
	return s.dir.VerifyListing(ctx, c)
}

// consistencyGUID is on no object at all in many forests, so that an export without it is no sign of anything.
const consistencyGUID = "mS-DS-ConsistencyGuid"
