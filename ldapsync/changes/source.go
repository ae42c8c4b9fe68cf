package changes

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.internal/hybridkit/ldapsync"
)

// A Method is how changed objects are found.
type Method string

// The methods.
const (
	Auto                  Method = ""                        // the first of the following that works
	DirSync               Method = "dirsync"                 // with DS-Replication-Get-Changes
	DirSyncObjectSecurity Method = "dirsync-object-security" // without
	USN                   Method = "usn"                     // uSNChanged of each object
	Full                  Method = "full"                    // everything is read
)

// A Directory is what a Source reads from. *ldapdir.Dir is one. Methods may be called concurrently.
type Directory interface {
	ldapsync.Source
	ldapsync.AbsenceVerifier

	// Changed calls each for objects, wherever they are, that changed in one of the attributes, or by name or
	// place, since the cookie was given, and returns the next cookie; an object may come more than once. Without a
	// cookie it returns one for now. replication asks for all changes instead of those the account may see. The
	// error wraps ldapsync.ErrPermission where a right is missing, ldapsync.ErrTransient where trying again may
	// help, and any other is taken for a cookie or a method that the server does not take.
	Changed(ctx context.Context, cookie []byte, attrs []string, replication bool, each func(ldapsync.GUID) error) (next []byte, err error)

	// Unversioned returns those of the attributes whose changes do not show in uSNChanged.
	Unversioned(ctx context.Context, attrs []string) ([]string, error)
}

// A Source is a ldapsync.Source that reads only what changed since it was read last. Directory and State are
// required. Set the fields before first use. Reads of one class and organisational unit must not be concurrent;
// everything else is as with the Directory.
type Source struct {
	Directory

	// State holds the copy. It may be that of the Syncer: the keys are "changes/" and what follows.
	State ldapsync.State
	// Organisation keeps the copies of several organisations in one State apart.
	Organisation string

	Method    Method           // Auto: by rights
	FullEvery time.Duration    // everything is read after this time; 0 means 24 h
	Now       func() time.Time // nil: time.Now
	Logger    *slog.Logger     // nil: no log. No attribute values are logged
	OnRead    func(Reading)    // called after each completed Read; nil: not
}

// A Reading says how one read was done.
type Reading struct {
	Class     ldapsync.Class `json:"class"`
	Container ldapsync.DN    `json:"container"`
	Method    Method         `json:"method"`
	Full      bool           `json:"full"`          // everything was read
	Why       string         `json:"why,omitempty"` // why everything was read
	Objects   int            `json:"objects"`       // in scope
	Fetched   int            `json:"fetched"`       // of which the attributes were read
}

var (
	_ ldapsync.Source          = (*Source)(nil)
	_ ldapsync.AbsenceVerifier = (*Source)(nil)
)

const (
	usnAttr = "uSNChanged"

	// maxChanged bounds what one cycle holds in memory before it is committed. Where more changed, the next cycle
	// reads everything.
	maxChanged, maxChangedBytes = 20_000, 64 << 20
	// maxTold bounds the identities DirSync may name, of the whole domain.
	maxTold = 1_000_000
	// sampled is how many objects without an attribute are verified in a full read.
	sampled = 3
	// atOnce is how many objects one search fetches by identity; batch how many records one commit of a full read has.
	atOnce, batch = 100, 500
)

var errTooMany = errors.New("more objects changed than are worth reading singly")

// A mark says what the copy stands for. It is committed with it.
type mark struct {
	Version      int           `json:"version"`
	Generation   uint64        `json:"generation"`         // the records that are valid
	Building     uint64        `json:"building,omitempty"` // the records of a full read that is not finished
	Trash        []uint64      `json:"trash,omitempty"`    // the records that are to be removed
	Epoch        uint64        `json:"epoch"`              // grows when another database answers: USNs of records of an older one are not compared
	Query        string        `json:"query"`
	Method       Method        `json:"method"`
	Cookie       []byte        `json:"cookie,omitempty"`
	Server       string        `json:"server"`
	InvocationID ldapsync.GUID `json:"invocationId,omitzero"`
	HighestUSN   uint64        `json:"highestUsn,omitempty"`
	FullAt       time.Time     `json:"fullAt"`
	Stale        string        `json:"stale,omitempty"` // why the next read must be full
}

func (s *Source) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

func (s *Source) log() *slog.Logger {
	if s.Logger != nil {
		return s.Logger
	}
	return slog.New(slog.NewTextHandler(io.Discard, nil))
}

// Read streams the objects the query selects, each once. Objects that did not change since they were read last come
// from the copy, with the DN they have now. A query without class or container, and one that asks for no attributes,
// is passed on as it is.
func (s *Source) Read(ctx context.Context, q ldapsync.Query) iter.Seq2[ldapsync.Object, error] {
	if q.Class == 0 || q.Container.ID.IsZero() || len(q.Attrs) == 0 {
		return s.Directory.Read(ctx, q)
	}
	return func(yield func(ldapsync.Object, error) bool) {
		r := &reading{Source: s, q: q, yield: yield, rep: Reading{Class: q.Class, Container: q.Container.DN}}
		r.base = "changes/" + shortKey(s.Organisation) + "/" + q.Class.String() + "/" + q.Container.ID.String() + "/"
		err := r.run(ctx)
		switch {
		case r.stopped:
		case err != nil:
			yield(ldapsync.Object{}, err)
		default:
			s.log().Info("read", "container", q.Container.DN.String(), "class", q.Class.String(), "method", string(r.rep.Method), "full", r.rep.Full, "why", r.rep.Why, "objects", r.rep.Objects, "fetched", r.rep.Fetched)
			if s.OnRead != nil {
				s.OnRead(r.rep)
			}
		}
	}
}

// VerifyAbsent asks the Directory. An object of which something cannot be read, or is there now, is read again by the
// next Read, whatever its change number says: rights that are granted again do not show in it.
func (s *Source) VerifyAbsent(ctx context.Context, id ldapsync.GUID, attrs []string) ([]ldapsync.Presence, error) {
	got, err := s.Directory.VerifyAbsent(ctx, id, attrs)
	if err == nil && slices.ContainsFunc(got, func(p ldapsync.Presence) bool { return p != ldapsync.Absent }) {
		err = s.State.Commit(ctx, []ldapsync.StateOp{{Key: s.doubts() + id.String(), Value: []byte{}}})
	}
	return got, err
}

// doubts is where objects are listed that must be read again.
func (s *Source) doubts() string { return "changes/" + shortKey(s.Organisation) + "/doubt/" }

// A reading is one call of Read.
type reading struct {
	*Source
	rep     Reading
	q       ldapsync.Query
	base    string // of keys
	mark    mark
	known   bool   // there was a mark
	old     []byte // its bytes
	yield   func(ldapsync.Object, error) bool
	stopped bool // the caller has enough

	recalled   map[ldapsync.GUID]struct{} // objects that VerifyAbsent was in doubt about
	samples    map[string]int             // how often the absence of an attribute was verified
	unreadable map[string]struct{}        // attributes that turned out unreadable
}

func (r *reading) run(ctx context.Context) error {
	if err := r.load(ctx); err != nil {
		return err
	}
	before, err := r.Info(ctx)
	if err != nil {
		return err
	}
	hidden, err := r.Unversioned(ctx, r.q.Attrs)
	if err != nil {
		return err
	}
	if len(hidden) > 0 {
		r.rep.Why = "changes of " + strings.Join(hidden, ", ") + " do not show in uSNChanged"
		return r.passOn(ctx)
	}
	if r.Method == Full {
		r.rep.Why = "the method is " + string(Full)
		return r.passOn(ctx)
	}
	if r.rep.Why = r.whyFull(before); r.rep.Why == "" {
		told, next, err := r.told(ctx)
		if err == nil {
			err = r.recall(ctx, told)
		}
		switch {
		case err == nil:
			return r.incremental(ctx, before, told, next)
		case errors.Is(err, errTooMany):
			r.rep.Why = err.Error()
		case errors.Is(err, ldapsync.ErrTransient), errors.Is(err, ldapsync.ErrCredentials), ctx.Err() != nil:
			return err
		default:
			r.rep.Why = "the server did not take the DirSync cookie: " + err.Error()
		}
	}
	return r.full(ctx, before)
}

// passOn reads everything and keeps nothing.
func (r *reading) passOn(ctx context.Context) error {
	r.rep.Method, r.rep.Full = Full, true
	for o, err := range r.Directory.Read(ctx, r.q) {
		if err != nil {
			return err
		}
		r.rep.Fetched++
		if !r.give(o) {
			return nil
		}
	}
	return nil
}

func (r *reading) give(o ldapsync.Object) bool {
	r.rep.Objects++
	r.stopped = !r.yield(o, nil)
	return !r.stopped
}

// whyFull says why everything must be read, "" if it must not.
func (r *reading) whyFull(now ldapsync.DirectoryInfo) string {
	every := r.FullEvery
	if every == 0 {
		every = 24 * time.Hour
	}
	age := r.now().Sub(r.mark.FullAt)
	same := now.Server == r.mark.Server && now.InvocationID == r.mark.InvocationID
	switch {
	case !r.known:
		return "it is the first time"
	case r.mark.Stale != "":
		return r.mark.Stale
	case r.mark.Query != fingerprint(r.q):
		return "the attributes or the filter asked for have changed"
	case r.Method != Auto && r.Method != r.mark.Method:
		return "the method has changed"
	case age >= every || age < 0:
		return "everything was read last at " + r.mark.FullAt.UTC().Format(time.RFC3339)
	case same && now.HighestUSN < r.mark.HighestUSN:
		return fmt.Sprintf("the change numbers of %s went back: it was restored", now.Server)
	case !same && r.mark.Method != DirSync && now.Server != r.mark.Server:
		return fmt.Sprintf("%s answers instead of %s, and change numbers belong to one domain controller", now.Server, r.mark.Server)
	case !same && r.mark.Method != DirSync:
		return fmt.Sprintf("the database of %s was restored or replaced (its invocationId changed)", now.Server)
	}
	return ""
}

// told asks DirSync which objects changed.
func (r *reading) told(ctx context.Context) (map[ldapsync.GUID]struct{}, []byte, error) {
	told := make(map[ldapsync.GUID]struct{})
	if r.mark.Method == USN {
		return told, nil, nil
	}
	next, err := r.Changed(ctx, r.mark.Cookie, r.q.Attrs, r.mark.Method == DirSync, func(id ldapsync.GUID) error {
		if told[id] = struct{}{}; len(told) > maxTold {
			return errTooMany
		}
		return nil
	})
	return told, next, err
}

// recall adds the objects that VerifyAbsent was in doubt about.
func (r *reading) recall(ctx context.Context, told map[ldapsync.GUID]struct{}) error {
	r.recalled = make(map[ldapsync.GUID]struct{})
	for rec, err := range r.State.Scan(ctx, r.doubts()) {
		if err != nil {
			return err
		}
		if id, err := ldapsync.ParseGUID(strings.TrimPrefix(rec.Key, r.doubts())); err == nil {
			told[id], r.recalled[id] = struct{}{}, struct{}{}
		}
	}
	return nil
}

// verified reports whether what was not read of an object is known to be absent. The absence of an attribute is
// verified limit times; negative: always.
func (r *reading) verified(ctx context.Context, o *ldapsync.Object, limit int) (bool, error) {
	var ask []string
	for _, a := range r.q.Attrs {
		if o.Presence(a) == ldapsync.Absent && (limit < 0 || r.samples[strings.ToLower(a)] < limit) {
			if r.samples == nil {
				r.samples = make(map[string]int)
			}
			r.samples[strings.ToLower(a)]++
			ask = append(ask, a)
		}
	}
	if len(ask) == 0 {
		return true, nil
	}
	got, err := r.Directory.VerifyAbsent(ctx, o.ID, ask)
	if errors.Is(err, ldapsync.ErrNotFound) {
		return false, nil // it has gone meanwhile, which the next sweep shows
	}
	if err != nil {
		return false, err
	}
	ok := true
	for i, p := range got {
		if i < len(ask) && p != ldapsync.Absent {
			if r.unreadable == nil {
				r.unreadable = make(map[string]struct{})
			}
			r.unreadable[ask[i]], ok = struct{}{}, false
		}
	}
	return ok, nil
}

// choose finds a method and, for DirSync, the cookie that stands for the state before the full read.
func (r *reading) choose(ctx context.Context) (Method, []byte, error) {
	for _, m := range []Method{DirSync, DirSyncObjectSecurity} {
		if r.Method != Auto && r.Method != m {
			continue
		}
		cookie, err := r.Changed(ctx, nil, r.q.Attrs, m == DirSync, func(ldapsync.GUID) error { return nil })
		switch {
		case err == nil:
			return m, cookie, nil
		case r.Method == m, errors.Is(err, ldapsync.ErrTransient), errors.Is(err, ldapsync.ErrCredentials), ctx.Err() != nil:
			return "", nil, fmt.Errorf("changes: method %s: %w", m, err)
		}
		r.log().Debug("a method cannot be had", "method", string(m), "error", err)
	}
	return USN, nil, nil
}

// full reads everything into a new generation of records.
func (r *reading) full(ctx context.Context, before ldapsync.DirectoryInfo) error {
	method, cookie, err := r.choose(ctx)
	if err != nil {
		return err
	}
	r.rep.Method, r.rep.Full = method, true
	if err := r.begin(ctx); err != nil {
		return err
	}
	q := r.q
	q.Attrs = append(slices.Clone(q.Attrs), usnAttr)
	next := mark{Version: 1, Generation: r.mark.Building, Epoch: r.mark.Epoch + 1, Query: fingerprint(r.q), Method: method, Cookie: cookie,
		Server: before.Server, InvocationID: before.InvocationID, HighestUSN: before.HighestUSN, FullAt: r.now().UTC()}
	var ops []ldapsync.StateOp
	keep := true
	for o, err := range r.Directory.Read(ctx, q) {
		if err != nil {
			return err
		}
		r.rep.Fetched++
		usn, ok := usnOf(&o)
		if keep = keep && ok; keep {
			if _, err := r.verified(ctx, &o, sampled); err != nil {
				return err
			}
			ops = append(ops, ldapsync.StateOp{Key: r.key(next.Generation, o.ID), Value: appendRecord(nil, next.Epoch, usn, &o)})
			if len(ops) == batch {
				if err := r.State.Commit(ctx, ops); err != nil {
					return err
				}
				ops = ops[:0]
			}
		}
		if !r.give(withoutUSN(o, r.q.Attrs)) {
			return nil
		}
	}
	if !keep {
		r.rep.Method, next.Stale = Full, "the directory shows no uSNChanged"
	} else if len(r.unreadable) > 0 {
		next.Stale = strings.Join(slices.Sorted(maps.Keys(r.unreadable)), ", ") + " could not be read on every object, and rights that are granted do not show in uSNChanged"
	}
	return r.finish(ctx, before, next, ops)
}

// incremental sweeps over what is there and reads what is not as it was.
func (r *reading) incremental(ctx context.Context, before ldapsync.DirectoryInfo, told map[ldapsync.GUID]struct{}, cookie []byte) error {
	next := r.mark
	r.rep.Method = next.Method
	next.Cookie = cookie
	if before.Server != next.Server || before.InvocationID != next.InvocationID {
		next.Epoch++
	}
	next.Server, next.InvocationID, next.HighestUSN = before.Server, before.InvocationID, before.HighestUSN
	f := fetcher{r: r, next: &next}
	q := r.q
	q.Attrs = []string{usnAttr}
	for o, err := range r.Directory.Read(ctx, q) {
		if err != nil {
			return err
		}
		usn, versioned := usnOf(&o)
		_, moved := told[o.ID]
		delete(told, o.ID)
		rec, err := r.record(ctx, o.ID)
		if err != nil {
			return err
		}
		// A record from before the domain controller was changed has a number of another database: DirSync alone
		// says that it is as it was. It does that with the right to all changes only: without, it says nothing of
		// an attribute that was denied when it was asked.
		same := rec != nil && !moved && versioned && rec.usn != 0 && (rec.epoch != next.Epoch || rec.usn == usn)
		if !same {
			f.ids = append(f.ids, o.ID)
			if len(f.ids) < atOnce {
				continue
			}
			if err := f.fetch(ctx); err != nil || r.stopped {
				return err
			}
			continue
		}
		if !r.give(ldapsync.NewObject(o.ID, o.DN, o.Class, rec.attrs...)) {
			return nil
		}
	}
	if err := f.fetch(ctx); err != nil || r.stopped {
		return err
	}
	for id := range r.recalled {
		f.put(r.doubts()+id.String(), nil)
	}
	// What changed and is not in scope: if it comes back, it is read anew.
	for id := range told {
		if err := f.drop(ctx, id); err != nil {
			return err
		}
	}
	if f.overflow {
		next.Stale, f.ops = errTooMany.Error(), nil
	}
	return r.finish(ctx, before, next, f.ops)
}

// A fetcher reads objects by identity and collects their records.
type fetcher struct {
	r        *reading
	next     *mark
	ids      []ldapsync.GUID
	ops      []ldapsync.StateOp
	bytes    int
	overflow bool
}

func (f *fetcher) fetch(ctx context.Context) error {
	if len(f.ids) == 0 {
		return nil
	}
	q := f.r.q
	var b strings.Builder
	b.WriteString("(|")
	for _, id := range f.ids {
		b.WriteString("(objectGUID=")
		for _, c := range id {
			fmt.Fprintf(&b, `\%02x`, c)
		}
		b.WriteString(")")
	}
	b.WriteString(")")
	if q.Filter = b.String(); f.r.q.Filter != "" {
		q.Filter = "(&" + f.r.q.Filter + q.Filter + ")"
	}
	q.Attrs = append(slices.Clone(q.Attrs), usnAttr)
	for o, err := range f.r.Directory.Read(ctx, q) {
		if err != nil {
			return err
		}
		f.r.rep.Fetched++
		if i := slices.Index(f.ids, o.ID); i >= 0 {
			f.ids[i] = ldapsync.GUID{}
		}
		usn, _ := usnOf(&o)
		// Of an object that cannot be read as a whole the record has no number: it is read again every time.
		ok, err := f.r.verified(ctx, &o, -1)
		if err != nil {
			return err
		}
		if !ok {
			usn = 0
		}
		f.put(f.r.key(f.next.Generation, o.ID), appendRecord(nil, f.next.Epoch, usn, &o))
		if !f.r.give(withoutUSN(o, f.r.q.Attrs)) {
			return nil
		}
	}
	for _, id := range f.ids {
		if !id.IsZero() {
			if err := f.drop(ctx, id); err != nil { // it went between the sweep and now
				return err
			}
		}
	}
	f.ids = f.ids[:0]
	return nil
}

func (f *fetcher) put(key string, value []byte) {
	f.bytes += len(key) + len(value)
	if f.overflow = f.overflow || len(f.ops) >= maxChanged || f.bytes > maxChangedBytes; f.overflow {
		f.ops = nil
		return
	}
	f.ops = append(f.ops, ldapsync.StateOp{Key: key, Value: value, Delete: value == nil})
}

// drop forgets an object. Most that DirSync names were never in scope.
func (f *fetcher) drop(ctx context.Context, id ldapsync.GUID) error {
	key := f.r.key(f.next.Generation, id)
	switch _, err := f.r.State.Get(ctx, key); {
	case err == nil:
		f.put(key, nil)
	case !errors.Is(err, ldapsync.ErrNotFound):
		return err
	}
	return nil
}

func usnOf(o *ldapsync.Object) (uint64, bool) {
	v, _ := o.Get(usnAttr)
	n, err := strconv.ParseUint(v, 10, 64)
	return n, err == nil
}

// withoutUSN takes the attribute away that the caller has not asked for.
func withoutUSN(o ldapsync.Object, asked []string) ldapsync.Object {
	if slices.ContainsFunc(asked, func(a string) bool { return strings.EqualFold(a, usnAttr) }) {
		return o
	}
	attrs := make([]ldapsync.Attr, 0, 16)
	for a := range o.Attrs() {
		if !strings.EqualFold(a.Name, usnAttr) {
			attrs = append(attrs, a)
		}
	}
	return ldapsync.NewObject(o.ID, o.DN, o.Class, attrs...)
}

// fingerprint tells one query from another, the container apart.
func fingerprint(q ldapsync.Query) string {
	attrs := make([]string, 0, len(q.Attrs))
	for _, a := range q.Attrs {
		attrs = append(attrs, strings.ToLower(a))
	}
	slices.Sort(attrs)
	b, _ := json.Marshal([]any{q.Subtree, q.Filter, attrs})
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// shortKey makes any name fit for a key.
func shortKey(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:8])
}
