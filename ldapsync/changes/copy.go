package changes

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"go.internal/hybridkit/ldapsync"
)

func (r *reading) markKey() string { return r.base + "mark" }

func (r *reading) generation(n uint64) string { return fmt.Sprintf("%so/%016x/", r.base, n) }

func (r *reading) key(generation uint64, id ldapsync.GUID) string {
	return r.generation(generation) + id.String()
}

// load reads the mark.
func (r *reading) load(ctx context.Context) error {
	b, err := r.State.Get(ctx, r.markKey())
	if errors.Is(err, ldapsync.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, &r.mark); err != nil || r.mark.Version > 1 {
		// Nothing depends on the copy: what cannot be read is made again, beside what is there.
		r.log().Warn("the copy of the directory cannot be used", "container", r.q.Container.DN.String(), "error", err, "version", r.mark.Version)
		r.mark = mark{Building: r.mark.Building, Generation: r.mark.Generation}
		r.old = b
		return nil
	}
	r.old, r.known = b, r.mark.Generation != 0 && r.mark.Method != ""
	return nil
}

// begin makes room for a new generation of records.
func (r *reading) begin(ctx context.Context) error {
	for _, n := range append([]uint64{r.mark.Building}, r.mark.Trash...) {
		if n != 0 && n != r.mark.Generation {
			if err := r.purge(ctx, n); err != nil {
				return err
			}
		}
	}
	r.mark.Version, r.mark.Trash = 1, nil
	r.mark.Building = max(r.mark.Generation, r.mark.Building) + 1
	return r.commit(ctx, nil, r.mark)
}

// finish commits what was read together with what it stands for.
func (r *reading) finish(ctx context.Context, before ldapsync.DirectoryInfo, next mark, ops []ldapsync.StateOp) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	after, err := r.Info(ctx)
	if err != nil {
		return err
	}
	if after.Server != before.Server || after.InvocationID != before.InvocationID {
		return fmt.Errorf("changes: %s answers after the read and %s answered before: %w", after.Server, before.Server, ldapsync.ErrPartial)
	}
	old := r.mark.Generation
	if next.Building = 0; next.Generation != old && old != 0 {
		next.Trash = append(next.Trash, old)
	}
	if err := r.commit(ctx, ops, next); err != nil {
		return err
	}
	if next.Generation != old && old != 0 {
		return r.purge(ctx, old)
	}
	return nil
}

// commit writes the mark and ops, unless somebody else has written the mark meanwhile.
func (r *reading) commit(ctx context.Context, ops []ldapsync.StateOp, m mark) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	var expect []byte
	if r.old != nil {
		expect = r.old
	}
	ops = append(ops[:len(ops):len(ops)], ldapsync.StateOp{Key: r.markKey(), Value: b, Expect: &expect})
	if err := r.State.Commit(ctx, ops); err != nil {
		return fmt.Errorf("changes: %w", err)
	}
	r.old, r.mark = b, m
	return nil
}

// purge removes a generation of records.
func (r *reading) purge(ctx context.Context, generation uint64) error {
	for {
		var ops []ldapsync.StateOp
		for rec, err := range r.State.Scan(ctx, r.generation(generation)) {
			if err != nil {
				return err
			}
			if ops = append(ops, ldapsync.StateOp{Key: strings.Clone(rec.Key), Delete: true}); len(ops) == 10*batch {
				break
			}
		}
		if len(ops) == 0 {
			return nil
		}
		if err := r.State.Commit(ctx, ops); err != nil {
			return err
		}
	}
}

// A record is an object as it was read: its change number, in the database of the epoch, and its attributes. The DN
// is not in it: it changes with organisational units above, which do not touch the object.
type record struct {
	epoch, usn uint64
	attrs      []ldapsync.Attr
}

// record returns nil where there is none that can be used.
func (r *reading) record(ctx context.Context, id ldapsync.GUID) (*record, error) {
	b, err := r.State.Get(ctx, r.key(r.mark.Generation, id))
	if errors.Is(err, ldapsync.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	rec, err := decodeRecord(b)
	if err != nil {
		r.log().Warn("an object of the copy cannot be used", "id", id.String(), "error", err)
		return nil, nil
	}
	return rec, nil
}

const recordForm = 1

func appendRecord(b []byte, epoch, usn uint64, o *ldapsync.Object) []byte {
	b = binary.AppendUvarint(append(b, recordForm), epoch)
	b = binary.AppendUvarint(b, usn)
	for a := range o.Attrs() {
		if strings.EqualFold(a.Name, usnAttr) {
			continue
		}
		b = appendText(append(b, byte(a.Presence)), a.Name)
		b = binary.AppendUvarint(b, uint64(len(a.Values)))
		for _, v := range a.Values {
			b = appendText(b, v)
		}
	}
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// decodeRecord reads what appendRecord wrote.
func decodeRecord(b []byte) (*record, error) {
	d := decoder{s: string(b)}
	if form := d.byte(); form != recordForm {
		return nil, fmt.Errorf("changes: record of unknown form %d", form)
	}
	r := &record{epoch: d.number(), usn: d.number()}
	for d.s != "" && !d.bad {
		a := ldapsync.Attr{Presence: ldapsync.Presence(d.byte()), Name: d.text()}
		n := d.number()
		if n > uint64(len(d.s)) {
			d.bad = true
			break
		}
		if n > 0 {
			a.Values = make([]string, n)
		}
		for i := range a.Values {
			a.Values[i] = d.text()
		}
		r.attrs = append(r.attrs, a)
	}
	if d.bad {
		return nil, errors.New("changes: record is damaged")
	}
	return r, nil
}

// A decoder takes the front off a string.
type decoder struct {
	s   string
	bad bool
}

func (d *decoder) byte() byte {
	if d.s == "" {
		d.bad = true
		return 0
	}
	b := d.s[0]
	d.s = d.s[1:]
	return b
}

func (d *decoder) number() (n uint64) {
	for shift := 0; ; shift += 7 {
		b := d.byte()
		if shift > 63 || d.bad {
			d.bad = true
			return 0
		}
		n |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return n
		}
	}
}

func (d *decoder) text() string {
	n := d.number()
	if n > uint64(len(d.s)) {
		d.bad = true
		return ""
	}
	t := d.s[:n]
	d.s = d.s[n:]
	return t
}
