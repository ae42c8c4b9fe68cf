package hive

import (
	"fmt"
	"iter"
	"strings"
	"time"

	"go.internal/hybridkit/registry"
)

const (
	nkSize       = 76 // an nk record without its name
	maxNameLen   = 255
	maxDepth     = 512   // levels below the root, as Windows allows
	maxSegment   = 16344 // bytes of one segment of a db list
	nkLatin1     = 0x20
	nkPredefined = 0x40 // the number of values is a handle instead (Perflib\009 of SOFTWARE hives); there are none
	vkLatin1     = 0x01
	inlineFlag   = 1 << 31
	maxValueLen  = 16383 // characters of a value name
)

// A Key is one key of a Hive. It is a small value to be passed around; the zero Key has no methods that work.
type Key struct {
	h   *Hive
	off uint32
	rec []byte
}

// Root returns the root key. Its name varies between hives and is not part of any path.
func (h *Hive) Root() (Key, error) { return h.key(h.Header.rootCell) }

func (h *Hive) key(off uint32) (Key, error) {
	b, err := h.cell(off, "nk")
	if err != nil {
		return Key{}, err
	}
	if len(b) < nkSize || string(b[:2]) != "nk" {
		return Key{}, corrupt(off, "nk", "%d bytes, signature %q", len(b), b[:2])
	}
	n := int(le.Uint16(b[72:]))
	chars := n
	if le.Uint16(b[2:])&nkLatin1 == 0 {
		chars = n / 2
	}
	if n > len(b)-nkSize || chars > maxNameLen {
		return Key{}, corrupt(off, "nk", "name of %d bytes in a record of %d", n, len(b))
	}
	return Key{h, off, b}, nil
}

// Name returns the name of the key in WTF-8, see package registry.
func (k Key) Name() string {
	return nameText(k.rec[nkSize:nkSize+int(le.Uint16(k.rec[72:]))], le.Uint16(k.rec[2:])&nkLatin1 != 0)
}

// nameText decodes a name: one byte for a character (the first 256 of Unicode) or UTF-16.
func nameText(b []byte, latin1 bool) string {
	if !latin1 {
		return registry.FromUTF16(b)
	}
	high := 0
	for _, c := range b {
		high += int(c >> 7)
	}
	if high == 0 {
		return string(b)
	}
	var s strings.Builder
	s.Grow(len(b) + high)
	for _, c := range b {
		s.WriteRune(rune(c))
	}
	return s.String()
}

// Offset returns where the record of the key is, in bytes from the beginning of the file.
func (k Key) Offset() int64 { return int64(k.off) + baseSize }

// Written returns when the key was last changed, in UTC, or the zero Time if no sensible time is recorded.
func (k Key) Written() time.Time { return fileTime(le.Uint64(k.rec[4:])) }

// Symlink reports whether the key is a symbolic link to another one; its value SymbolicLinkValue says to which.
func (k Key) Symlink() bool { return le.Uint16(k.rec[2:])&0x10 != 0 }

// Class returns the class name, "" if there is none. (Some secrets of the SYSTEM hive hide in class names.)
func (k Key) Class() (string, error) {
	off, n := le.Uint32(k.rec[48:]), int(le.Uint16(k.rec[74:]))
	if off == none || n == 0 {
		return "", nil
	}
	b, err := k.h.cell(off, "class")
	if err != nil {
		return "", err
	}
	if n > len(b) {
		return "", corrupt(off, "class", "%d bytes in a cell of %d", n, len(b))
	}
	return registry.FromUTF16(b[:n]), nil
}

// Security returns the self-relative security descriptor of the key, nil if it has none. The bytes belong to the hive.
func (k Key) Security() ([]byte, error) {
	off := le.Uint32(k.rec[44:])
	if off == none {
		return nil, nil
	}
	b, err := k.h.cell(off, "sk")
	if err != nil {
		return nil, err
	}
	const head = 20
	if len(b) < head || string(b[:2]) != "sk" {
		return nil, corrupt(off, "sk", "%d bytes, signature %q", len(b), b[:2])
	}
	n := le.Uint32(b[16:])
	if uint64(n) > uint64(len(b)-head) {
		return nil, corrupt(off, "sk", "descriptor of %d bytes in a cell of %d", n, len(b))
	}
	return b[head : head+int(n)], nil
}

// Subkeys yields the keys directly below k in the order of the hive, which Windows keeps sorted by upper-case
// name. After an error it stops, or goes on with the next key if the hive was opened tolerant.
func (k Key) Subkeys() iter.Seq2[Key, error] { return k.subkeys(nil) }

// subkeys is Subkeys; with a bitmap it refuses lists and keys that were visited before, so that a walk over a
// damaged hive takes linear time.
func (k Key) subkeys(seen bitmap) iter.Seq2[Key, error] {
	return func(yield func(Key, error) bool) {
		want := le.Uint32(k.rec[20:])
		if want == 0 {
			return
		}
		w := keyLister{h: k.h, seen: seen, left: want, yield: yield}
		if most := uint32(len(k.h.bins) / (nkSize + 4)); want > most {
			if !w.fail(corrupt(k.off, "nk", "%d sub-keys, the hive has room for %d", want, most)) {
				return
			}
			w.left = most
		}
		if w.list(le.Uint32(k.rec[28:]), true) && w.left > 0 {
			w.fail(corrupt(k.off, "nk", "%d sub-keys, %d are listed", want, want-w.left))
		}
	}
}

type keyLister struct {
	h     *Hive
	seen  bitmap
	left  uint32
	yield func(Key, error) bool
}

// fail yields err and reports whether to go on.
func (w *keyLister) fail(err error) bool { return w.yield(Key{}, err) && w.h.tolerant }

// list yields the keys of the list at off. Only the top list may be an ri, a list of lists.
func (w *keyLister) list(off uint32, top bool) bool {
	b, err := w.h.cell(off, "sub-key list")
	if err != nil {
		return w.fail(err)
	}
	if w.seen != nil && !w.seen.take(off) {
		return w.fail(corrupt(off, "sub-key list", "it belongs to two keys"))
	}
	step := 4
	sig := string(b[:2])
	switch {
	case sig == "lf", sig == "lh":
		step = 8
	case sig == "li", sig == "ri" && top:
	default:
		return w.fail(corrupt(off, "sub-key list", "signature %q", sig))
	}
	n := int(le.Uint16(b[2:]))
	if n*step > len(b)-4 {
		if !w.fail(corrupt(off, "sub-key list", "%d entries in %d bytes", n, len(b)-4)) {
			return false
		}
		n = (len(b) - 4) / step
	}
	for i := range n {
		ref := le.Uint32(b[4+i*step:])
		if sig == "ri" {
			if !w.list(ref, false) {
				return false
			}
			continue
		}
		if w.left == 0 {
			return w.fail(corrupt(off, "sub-key list", "it lists more keys than its key has"))
		}
		w.left--
		k, err := w.h.key(ref)
		if err == nil && w.seen != nil && !w.seen.take(ref) {
			err = corrupt(ref, "nk", "the key is listed twice")
		}
		if err != nil {
			if !w.fail(err) {
				return false
			}
			continue
		}
		if !w.yield(k, nil) {
			return false
		}
	}
	return true
}

// Subkey returns the key directly below k with the given name, ignoring case. The error wraps ErrNotFound or ErrCorrupt.
func (k Key) Subkey(name string) (Key, error) {
	for sub, err := range k.Subkeys() {
		switch {
		case err == nil && registry.EqualFold(sub.Name(), name):
			return sub, nil
		case err != nil && !k.h.tolerant:
			return Key{}, err
		}
	}
	return Key{}, fmt.Errorf("%w: key %q", ErrNotFound, name)
}

// Lookup returns the key at path, component names separated by backslashes, below the root; "" is the root. It
// ignores case and does not follow symbolic links. The error wraps ErrNotFound or ErrCorrupt.
func (h *Hive) Lookup(path string) (Key, error) {
	k, err := h.Root()
	for part := range strings.SplitSeq(path, `\`) {
		if part == "" || err != nil {
			continue
		}
		k, err = k.Subkey(part)
	}
	return k, err
}
