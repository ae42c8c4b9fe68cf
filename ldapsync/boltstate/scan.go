package boltstate

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	bolt "go.etcd.io/bbolt"

	"go.internal/hybridkit/ldapsync"
)

// How much a scan fetches at a time.
const (
	batchRecords = 256
	batchBytes   = 1 << 20
)

// A scan shows one moment without a transaction that lasts: bbolt cannot enlarge its file while one is open, so
// a commit inside the loop of the caller would wait for ever. Instead, commits tell each scan what they are
// about to change, and the scan prefers that to what it finds in the file.
type scan struct {
	prefix []byte
	next   []byte            // where to go on; nil before the first batch
	old    map[string][]byte // values, at the time of the scan, of keys changed since; nil for keys added since
	batch  []ldapsync.Record
	ended  bool
}

// remember is called by commits, under the lock, before they change a key the first time and later times.
func (sc *scan) remember(key string, value []byte) {
	if sc.ended || !strings.HasPrefix(key, string(sc.prefix)) || key < string(sc.next) {
		return
	}
	if _, ok := sc.old[key]; ok {
		return
	}
	if sc.old == nil {
		sc.old = map[string][]byte{}
	}
	if value != nil {
		value = append([]byte{}, value...)
	}
	sc.old[key] = value
}

// fetch reads the next batch.
func (s *State) fetch(sc *scan) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return errClosed
	}
	defer s.look(batchRecords / 8)
	return s.guard(func() error { return s.db.View(sc.fill) })
}

func (sc *scan) fill(tx *bolt.Tx) error {
	sc.batch = nil
	c := tx.Bucket(dataBucket).Cursor()
	from := sc.next
	if from == nil {
		from = sc.prefix
	}
	size := 0
	k, v := c.Seek(from)
	for ; k != nil && bytes.HasPrefix(k, sc.prefix) && len(sc.batch) < batchRecords && size < batchBytes; k, v = c.Next() {
		size += len(k) + len(v)
		if _, changed := sc.old[string(k)]; !changed {
			sc.batch = append(sc.batch, ldapsync.Record{Key: string(k), Value: append([]byte{}, v...)})
		}
	}
	end := ""
	if k == nil || !bytes.HasPrefix(k, sc.prefix) {
		sc.ended = true
	} else {
		end = string(k)
	}
	// What was changed since, up to where this batch ends.
	for _, key := range slices.Sorted(maps.Keys(sc.old)) {
		if !sc.ended && key >= end {
			break
		}
		if value := sc.old[key]; value != nil {
			sc.batch = append(sc.batch, ldapsync.Record{Key: key, Value: value})
		}
		delete(sc.old, key)
	}
	slices.SortFunc(sc.batch, func(a, b ldapsync.Record) int { return strings.Compare(a.Key, b.Key) })
	sc.next = []byte(end)
	return nil
}
