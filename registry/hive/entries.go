package hive

import (
	"bytes"
	"fmt"
	"io"
	"iter"
	"strings"

	"go.internal/hybridkit/registry"
)

// A Decoder turns hives into entries. The zero Decoder is strict and yields paths below no known root.
type Decoder struct {
	Root     registry.Path // where the root key of the hive is mounted, such as registry.HKLM("SYSTEM")
	Guess    bool          // with a zero Root: mount the hive where Hive.Mount says, if it knows
	Tolerant bool          // see Options
	Logs     [][]byte      // see Options
	MaxBytes int64         // longest input accepted; 0 is MaxSize
}

// Decode reads a hive with the zero Decoder.
func Decode(r io.Reader) iter.Seq2[registry.Entry, error] { return Decoder{}.Decode(r) }

// Decode reads all of r and yields what Hive.Entries yields. Errors of Open come first; in a tolerant Decoder
// that includes every warning.
func (d Decoder) Decode(r io.Reader) iter.Seq2[registry.Entry, error] {
	return func(yield func(registry.Entry, error) bool) {
		limit := d.MaxBytes
		if limit <= 0 || limit > MaxSize {
			limit = MaxSize
		}
		var buf bytes.Buffer
		n, err := buf.ReadFrom(io.LimitReader(r, limit+1))
		if err == nil && n > limit {
			err = fmt.Errorf("more than %d bytes", limit)
		}
		if err != nil {
			yield(registry.Entry{}, &registry.SyntaxError{Format: "hive", Msg: "reading", Err: err})
			return
		}
		h, err := Open(buf.Bytes(), Options{Logs: d.Logs, Tolerant: d.Tolerant})
		if err != nil {
			yield(registry.Entry{}, err)
			return
		}
		for _, w := range h.Warnings {
			if !yield(registry.Entry{}, w) {
				return
			}
		}
		root := d.Root
		if root.IsZero() && d.Guess {
			root, _ = h.Mount()
		}
		h.Entries(root)(yield)
	}
}

// Mount guesses where Windows mounts this hive, from the file name in its base block and otherwise from the
// names of its top keys. ok is false if neither gives it away; a user's NTUSER.DAT is HKEY_CURRENT_USER.
func (h *Hive) Mount() (p registry.Path, ok bool) {
	base := h.Header.FileName[strings.LastIndexByte(h.Header.FileName, '\\')+1:]
	for _, m := range mounts {
		if registry.EqualFold(base, m.file) {
			return m.path, true
		}
	}
	root, err := h.Root()
	if err != nil {
		return registry.Path{}, false
	}
	top := map[string]bool{}
	for k, err := range root.Subkeys() {
		if err == nil && len(top) < 1000 {
			top[registry.Fold(k.Name())] = true
		}
	}
next:
	for _, m := range mounts {
		for _, name := range m.keys {
			if !top[registry.Fold(name)] {
				continue next
			}
		}
		return m.path, true
	}
	return registry.Path{}, false
}

// mounts lists the hives of HKLM\SYSTEM\CurrentControlSet\Control\hivelist that have a fixed place.
var mounts = [...]struct {
	file string
	path registry.Path
	keys []string // top keys that no other of these hives has together
}{
	{"SYSTEM", registry.Path{Hive: registry.LocalMachine, Key: "SYSTEM"}, []string{"Select", "ControlSet001"}},
	{"SOFTWARE", registry.Path{Hive: registry.LocalMachine, Key: "SOFTWARE"}, []string{"Microsoft", "Classes"}},
	{"NTUSER.DAT", registry.Path{Hive: registry.CurrentUser}, []string{"Control Panel", "Environment", "Software"}},
	{"SAM", registry.Path{Hive: registry.LocalMachine, Key: "SAM"}, []string{"SAM"}},
	{"SECURITY", registry.Path{Hive: registry.LocalMachine, Key: "SECURITY"}, []string{"Policy", "RXACT"}},
	{"BCD", registry.Path{Hive: registry.LocalMachine, Key: "BCD00000000"}, []string{"Objects", "Description"}},
}

// Entries yields the whole hive below root: for each key a CreateKey and a Set per value, parents first, in the
// order of the hive. Pos.Offset is the place of the record in the file. Data is not copied out of the hive
// (except long values kept in segments). Symbolic links are not followed and a SYSTEM hive has no
// CurrentControlSet; see registry.Snapshot.Resolve.
//
// Every cell is used once: a hive in which keys or values share cells, which Windows never makes, is corrupt.
// So the time and memory this takes are proportional to the size of the hive, however damaged it is. A strict
// Hive stops at the first error; a tolerant one goes on behind it.
func (h *Hive) Entries(root registry.Path) iter.Seq2[registry.Entry, error] {
	return func(yield func(registry.Entry, error) bool) {
		top, err := h.Root()
		if err != nil {
			yield(registry.Entry{}, err)
			return
		}
		w := walker{h: h, seen: newBitmap(len(h.bins)), yield: yield}
		w.seen.set(top.off)
		w.key(top, root, 0)
	}
}

type walker struct {
	h     *Hive
	seen  bitmap
	yield func(registry.Entry, error) bool
}

func (w *walker) fail(err error) bool { return w.yield(registry.Entry{}, err) && w.h.tolerant }

// key yields k and everything below it and reports whether to go on.
func (w *walker) key(k Key, p registry.Path, depth int) bool {
	if !w.yield(registry.Entry{Op: registry.CreateKey, Path: p, Pos: registry.Pos{Offset: k.Offset()}}, nil) {
		return false
	}
	for v, err := range k.values(w.seen) {
		var data []byte
		if err == nil {
			data, err = v.data(w.seen)
		}
		if err != nil {
			if !w.fail(err) {
				return false
			}
			continue
		}
		if !w.yield(registry.Entry{Op: registry.Set, Path: p, Name: v.Name(),
			Value: registry.Value{Type: v.Type(), Data: data}, Pos: registry.Pos{Offset: v.Offset()}}, nil) {
			return false
		}
	}
	for sub, err := range k.subkeys(w.seen) {
		name := ""
		if err == nil {
			name = sub.Name()
			switch {
			case depth+1 > maxDepth:
				err = corrupt(sub.off, "nk", "more than %d levels of keys", maxDepth)
			case name == "" || strings.IndexByte(name, '\\') >= 0:
				err = corrupt(sub.off, "nk", "a key is called %.80q", name)
			}
		}
		if err != nil {
			if !w.fail(err) {
				return false
			}
			continue
		}
		at := registry.Path{Hive: p.Hive, Key: name}
		if p.Key != "" {
			at.Key = p.Key + `\` + name
		}
		if !w.key(sub, at, depth+1) {
			return false
		}
	}
	return true
}
