package hive

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	"go.internal/hybridkit/registry"
)

const (
	baseSize = 4096 // the base block; all offsets inside a hive count from its end
	none     = 0xFFFFFFFF
)

var le = binary.LittleEndian

// A Header is what the base block of a hive says of it.
type Header struct {
	Primary, Secondary uint32    // sequence numbers; they differ while a write is under way
	Written            time.Time // last write, UTC; the zero Time if none is recorded
	Major, Minor       uint32    // format version, 1.3 to 1.6
	FileName           string    // end of the path the hive was loaded from, for information
	ChecksumOK         bool      // the XOR checksum of the first 508 bytes is right
	BinsSize           uint32    // size of the hive bins in bytes
	rootCell           uint32
}

// Dirty reports whether the last write to the hive did not finish, so that the bins may be half old, half new.
func (h Header) Dirty() bool { return h.Primary != h.Secondary || !h.ChecksumOK }

// Sniff reports whether data begins like a hive.
func Sniff(data []byte) bool { return bytes.HasPrefix(data, []byte("regf")) }

func parseHeader(b []byte) (Header, error) {
	if len(b) < 512 || !Sniff(b) {
		return Header{}, fmt.Errorf("%w (%d bytes; no regf signature)", ErrNotHive, len(b))
	}
	h := Header{
		Primary: le.Uint32(b[4:]), Secondary: le.Uint32(b[8:]), Written: fileTime(le.Uint64(b[12:])),
		Major: le.Uint32(b[20:]), Minor: le.Uint32(b[24:]),
		rootCell: le.Uint32(b[36:]), BinsSize: le.Uint32(b[40:]),
		ChecksumOK: checksum(b) == le.Uint32(b[508:]),
	}
	name := b[48:112]
	for i := 0; i+1 < len(name); i += 2 {
		if name[i] == 0 && name[i+1] == 0 {
			name = name[:i]
			break
		}
	}
	h.FileName = registry.FromUTF16(name)
	return h, nil
}

// checksum is the XOR of the first 127 words; 0 and 0xFFFFFFFF are never stored as such.
func checksum(b []byte) uint32 {
	var c uint32
	for i := 0; i < 508; i += 4 {
		c ^= le.Uint32(b[i:])
	}
	switch c {
	case 0:
		return 1
	case none:
		return none - 1
	}
	return c
}

// fileTime converts 100-nanosecond intervals since 1601 to a Time; 0 and values beyond the year 9999 give the zero Time.
func fileTime(v uint64) time.Time {
	const epoch = 11644473600 // seconds from 1601 to 1970
	s := int64(v/1e7) - epoch
	if v == 0 || s > 253402300799 {
		return time.Time{}
	}
	return time.Unix(s, int64(v%1e7)*100).UTC()
}
