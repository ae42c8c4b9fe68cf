package hive

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"
)

// recoverWith returns a copy of data with the transaction logs applied, and how many writes they held. The rules are
// those of "Windows registry file format specification" (M. Suhanov), "Format of transaction log files" and "Dirty
// state of a hive": an old log is one set of 512-byte pages for the last write; a new log is a series of entries, of
// which those count that begin with the hive's secondary sequence number and follow one another without a gap.
func recoverWith(data []byte, logs [][]byte) (out []byte, applied int, err error) {
	if len(data) < baseSize {
		return data, 0, corruptAt(int64(len(data)), "base block", "the file ends before the first bin")
	}
	out = slices.Clone(data)
	head, err := parseHeader(out)
	if err != nil {
		return data, 0, err
	}
	var newer []logEntry
	next, exact := head.Secondary, true
	for i, log := range logs {
		lh, err := parseHeader(log)
		if err != nil || !lh.ChecksumOK {
			continue // an empty log is normal: the other one is in use
		}
		if !head.ChecksumOK {
			// The base block itself was being written: the log has a copy of its first sector.
			copy(out[:512], log[:512])
			le.PutUint32(out[28:], 0)
			head = lh
			next, exact = lh.Secondary, false
			seal(out, head.Secondary)
		}
		switch kind := le.Uint32(log[28:]); kind {
		case 1, 2:
			if lh.Primary != lh.Secondary || lh.Written != head.Written || applied > 0 {
				continue
			}
			if out, err = applyOld(out, log, lh); err != nil {
				return data, 0, fmt.Errorf("log %d: %w", i+1, err)
			}
			seal(out, lh.Primary)
			applied++
		case 6:
			newer = append(newer, logEntries(log)...)
		}
	}
	// A switch from one log to the other can come between any two writes, so the entries of both form one series.
	slices.SortStableFunc(newer, func(a, b logEntry) int { return cmp.Compare(a.seq, b.seq) })
	for _, e := range newer {
		switch {
		case e.seq < next:
			continue // applied before
		case e.seq > next && (exact || applied > 0):
			return out, applied, nil
		}
		if out, err = resize(out, e.binsSize); err != nil {
			return data, 0, err
		}
		e.apply(out)
		seal(out, e.seq)
		next = e.seq + 1
		applied++
	}
	return out, applied, nil
}

// seal marks the base block as cleanly written with sequence number seq.
func seal(b []byte, seq uint32) {
	le.PutUint32(b[4:], seq)
	le.PutUint32(b[8:], seq)
	le.PutUint32(b[508:], checksum(b))
}

// resize makes the bins of a hive n bytes long.
func resize(data []byte, n uint32) ([]byte, error) {
	const most = 1 << 31
	if n%4096 != 0 || n > most || int64(n) > int64(len(data))*4+64<<20 {
		return nil, corruptAt(0, "log", "it makes the bins %d bytes long", n)
	}
	if more := baseSize + int(n) - len(data); more > 0 {
		data = append(data, make([]byte, more)...)
	}
	le.PutUint32(data[40:], n)
	return data, nil
}

// applyOld applies a log with a bitmap of dirty pages ("DIRT").
func applyOld(data, log []byte, lh Header) ([]byte, error) {
	const sector = 512
	if len(log) < sector+4 || string(log[sector:sector+4]) != "DIRT" {
		return nil, corruptAt(sector, "log", "no DIRT signature")
	}
	data, err := resize(data, lh.BinsSize)
	if err != nil {
		return nil, err
	}
	pages := int(lh.BinsSize / sector)
	vector := log[sector+4:]
	if pages > len(vector)*8 {
		return nil, corruptAt(int64(len(log)), "log", "it ends in its bitmap of %d pages", pages)
	}
	from := (sector + 4 + (pages+7)/8 + sector - 1) / sector * sector
	for i := range pages {
		if vector[i/8]>>(i%8)&1 == 0 {
			continue
		}
		if from+sector > len(log) {
			return nil, corruptAt(int64(len(log)), "log", "it ends before its page %d", i)
		}
		copy(data[baseSize+i*sector:], log[from:from+sector])
		from += sector
	}
	return data, nil
}

// A logEntry is one "HvLE" record of a new log.
type logEntry struct {
	seq, binsSize uint32
	refs, pages   []byte
}

// logEntries returns the entries of a log up to the first that is damaged, which is where Windows stops too.
func logEntries(log []byte) (entries []logEntry) {
	const head, sector = 40, 512
	for off := sector; off+head <= len(log); {
		b := log[off:]
		size := int(le.Uint32(b[4:]))
		if string(b[:4]) != "HvLE" || size < head || size%sector != 0 || size > len(b) {
			break
		}
		b = b[:size]
		count := int64(le.Uint32(b[20:]))
		if marvin(b[head:]) != le.Uint64(b[24:]) || marvin(b[:32]) != le.Uint64(b[32:]) || count*8 > int64(size-head) {
			break
		}
		e := logEntry{seq: le.Uint32(b[12:]), binsSize: le.Uint32(b[16:]), refs: b[head : head+int(count)*8], pages: b[head+int(count)*8:]}
		if !e.valid() {
			break
		}
		entries = append(entries, e)
		off += size
	}
	return entries
}

// valid reports whether all pages are there and lie within the bins.
func (e logEntry) valid() bool {
	if e.binsSize%4096 != 0 {
		return false
	}
	left := int64(len(e.pages))
	for i := 0; i < len(e.refs); i += 8 {
		off, n := int64(le.Uint32(e.refs[i:])), int64(le.Uint32(e.refs[i+4:]))
		if left -= n; left < 0 || off+n > int64(e.binsSize) {
			return false
		}
	}
	return true
}

// apply writes the pages of a valid entry.
func (e logEntry) apply(data []byte) {
	pages := e.pages
	for i := 0; i < len(e.refs); i += 8 {
		off, n := int64(le.Uint32(e.refs[i:])), int64(le.Uint32(e.refs[i+4:]))
		copy(data[baseSize+off:], pages[:n])
		pages = pages[n:]
	}
}

// marvin is the Marvin32 checksum with the seed that the registry uses.
func marvin(b []byte) uint64 { return marvinSeed(0x884DEF82|0xC5554E7A<<32, b) }

func marvinSeed(seed uint64, b []byte) uint64 {
	lo, hi := uint32(seed), uint32(seed>>32)
	mix := func(w uint32) {
		lo += w
		hi ^= lo
		lo = bits.RotateLeft32(lo, 20) + hi
		hi = bits.RotateLeft32(hi, 9) ^ lo
		lo = bits.RotateLeft32(lo, 27) + hi
		hi = bits.RotateLeft32(hi, 19)
	}
	for ; len(b) >= 4; b = b[4:] {
		mix(le.Uint32(b))
	}
	var tail [4]byte
	tail[copy(tail[:], b)] = 0x80
	mix(le.Uint32(tail[:]))
	mix(0)
	return uint64(hi)<<32 | uint64(lo)
}
