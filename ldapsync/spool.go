package ldapsync

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"os"
	"slices"
)

// spoolMemory is how much a spool keeps in memory before it uses a file.
const spoolMemory = 4 << 20

// A spool keeps records while a plan is made: in memory while they are few, then in a temporary file. The file is
// its owner's alone and has no name where the system allows that, so that nothing is left behind by a crash.
// The zero spool is empty. It is not safe for concurrent use.
type spool struct {
	dir  string // for the file; "" is the system's folder for temporary files
	buf  []byte // what is not in the file yet
	size int64  // of the file
	f    *os.File
	name string // of the file, where it must be removed at the end
	page []byte // the last read
}

// end is the place of the next record.
func (s *spool) end() int64 { return s.size + int64(len(s.buf)) }

// add stores a record and returns its place.
func (s *spool) add(rec []byte) (at int64, err error) {
	if len(s.buf) > 0 && len(s.buf)+len(rec) > spoolMemory {
		if err := s.flush(); err != nil {
			return 0, err
		}
	}
	at = s.end()
	s.buf = binary.AppendUvarint(s.buf, uint64(len(rec)))
	s.buf = append(s.buf, rec...)
	return at, nil
}

func (s *spool) flush() error {
	if s.f == nil {
		f, err := os.CreateTemp(s.dir, "hybridkit-plan-*")
		if err != nil {
			return fmt.Errorf("ldapsync: temporary file: %w", err)
		}
		s.f = f
		if os.Remove(f.Name()) != nil {
			s.name = f.Name() // Windows does not remove open files
		}
	}
	if _, err := s.f.WriteAt(s.buf, s.size); err != nil {
		return fmt.Errorf("ldapsync: temporary file: %w", err)
	}
	s.size += int64(len(s.buf))
	s.buf = s.buf[:0]
	return nil
}

// get returns the record at a place that add returned, and the place of the next one. The record is valid until
// the next call.
func (s *spool) get(at int64) (rec []byte, next int64, err error) {
	if at >= s.size {
		b := s.buf[at-s.size:]
		n, k := binary.Uvarint(b)
		return b[k : k+int(n)], at + int64(k) + int64(n), nil
	}
	want := 1 << 10
	for {
		want = int(min(int64(want), s.size-at))
		s.page = slices.Grow(s.page[:0], want)[:want]
		if _, err := s.f.ReadAt(s.page, at); err != nil {
			return nil, 0, fmt.Errorf("ldapsync: temporary file: %w", err)
		}
		n, k := binary.Uvarint(s.page)
		if k > 0 && uint64(len(s.page)-k) >= n {
			return s.page[k : k+int(n)], at + int64(k) + int64(n), nil
		}
		if k <= 0 || int64(k)+int64(n) > s.size-at {
			return nil, 0, errors.New("ldapsync: a temporary file was changed by someone else")
		}
		want = k + int(n)
	}
}

// close removes the file.
func (s *spool) close() {
	if s.f != nil {
		_ = s.f.Close()
		if s.name != "" {
			_ = os.Remove(s.name)
		}
	}
	*s = spool{}
}

// A spoolIndex finds places in a spool by a hash, in 8 bytes an entry, and several entries with the same hash. First
// everything is added, then sort is called, then the places are asked for. Different things may have the same
// entry, so the caller compares what it finds. The zero spoolIndex is empty.
type spoolIndex []uint64 // the upper tagBits of the hash, then the place

const (
	tagBits   = 28
	placeBits = 64 - tagBits
	maxPlace  = 1<<placeBits - 1
)

// add makes at findable by hash.
func (x *spoolIndex) add(hash uint64, at int64) error {
	if at > maxPlace {
		return fmt.Errorf("ldapsync: a temporary file of more than %d GB", 1<<placeBits>>30)
	}
	*x = append(*x, hash>>placeBits<<placeBits|uint64(at))
	return nil
}

func (x spoolIndex) sort() { slices.Sort(x) }

// places returns the entries that may have been added with the hash; place takes them apart.
func (x spoolIndex) places(hash uint64) spoolIndex {
	tag := hash >> placeBits << placeBits
	from, _ := slices.BinarySearch(x, tag)
	to := from
	for to < len(x) && x[to]>>placeBits<<placeBits == tag {
		to++
	}
	return x[from:to]
}

func place(entry uint64) int64 { return int64(entry & maxPlace) }

// A hasher makes the hashes of one plan. What is hashed has a kind, so that equal texts of different kinds differ.
type hasher struct{ seed maphash.Seed }

func (h hasher) text(kind byte, s string) uint64 {
	return maphash.String(h.seed, s) ^ uint64(kind)*0x9e3779b97f4a7c15
}

// dn hashes what DN.Key is made of.
func (h hasher) dn(d DN) uint64 {
	var m maphash.Hash
	m.SetSeed(h.seed)
	for i := range d.rdns {
		_, _ = m.WriteString(d.rdns[i].fold)
		_ = m.WriteByte(',')
	}
	return m.Sum64()
}

func (h hasher) guid(g GUID) uint64 { return maphash.Bytes(h.seed, g[:]) }

// A twins finds what occurs more than once, in 8 bytes each.
type twins struct{ hashes []uint64 }

func (t *twins) add(hash uint64) { t.hashes = append(t.hashes, hash) }

// repeated returns the hashes that were added more than once, and forgets the rest.
func (t *twins) repeated() map[uint64]bool {
	slices.Sort(t.hashes)
	var out map[uint64]bool
	for i := 1; i < len(t.hashes); i++ {
		if t.hashes[i] == t.hashes[i-1] {
			if out == nil {
				out = make(map[uint64]bool)
			}
			out[t.hashes[i]] = true
		}
	}
	t.hashes = nil
	return out
}
