package hive

import (
	"fmt"
	"io"
	"slices"
)

// MaxSize is the largest hive Read accepts, in bytes: 2 GiB is what the format's 31-bit cell offsets can address.
const MaxSize int64 = 1<<31 + baseSize

// Options say how Open treats a hive. The zero Options are strict and have no logs.
type Options struct {
	// Logs holds the contents of the transaction logs, .LOG1 before .LOG2. They are used only if the hive is
	// dirty, and then applied to a copy: neither data nor the files change. An old log (DIRT) must belong to the
	// hive's last write; of a new log (HvLE) every entry in sequence counts, up to the first one that is damaged.
	Logs [][]byte
	// Tolerant reads what can be read: a dirty hive without logs is opened as it is, bins and cells that break
	// the format are left out, and iterators go on after an error. What was found wrong on opening is in
	// Hive.Warnings. A strict reader stops at the first fault.
	Tolerant bool
}

// A Hive is an opened hive. It refers to the data it was opened with, which must not change while it is in use.
// A Hive never changes and may be used by several goroutines.
type Hive struct {
	Header   Header  // as read, after the logs were applied if they were
	Applied  int     // number of log entries (or old-format logs) that were applied
	Warnings []error // what a tolerant Open passed over, at most 100

	bins     []byte // the data after the base block
	cells    bitmap // start of every allocated cell
	tolerant bool
}

// Read reads a whole hive from r, at most MaxSize bytes, and opens it.
func Read(r io.Reader, opts Options) (*Hive, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("hive: %w", err)
	}
	if int64(len(data)) > MaxSize {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrNotHive, MaxSize)
	}
	return Open(data, opts)
}

// Open reads the base block and checks the frame of bins and cells; keys and values are checked as they are
// visited. data is not copied and must not change while the Hive is used. Errors wrap ErrNotHive, ErrVersion,
// ErrDirty or, as a *registry.SyntaxError with the offset, ErrCorrupt.
func Open(data []byte, opts Options) (*Hive, error) {
	head, err := parseHeader(data)
	if err != nil {
		return nil, err
	}
	h := &Hive{Header: head, tolerant: opts.Tolerant}
	if head.Dirty() && len(opts.Logs) > 0 {
		if data, h.Applied, err = recoverWith(data, opts.Logs); err != nil {
			if err := h.fault(err); err != nil {
				return nil, err
			}
		}
		if h.Header, err = parseHeader(data); err != nil {
			return nil, err
		}
	}
	if h.Header.Major != 1 || h.Header.Minor < 3 || h.Header.Minor > 6 {
		return nil, fmt.Errorf("%w: %d.%d (1.3 to 1.6 are)", ErrVersion, h.Header.Major, h.Header.Minor)
	}
	if h.Header.Dirty() {
		err := fmt.Errorf("%w: sequence numbers %d and %d, checksum right: %t",
			ErrDirty, h.Header.Primary, h.Header.Secondary, h.Header.ChecksumOK)
		if err := h.fault(err); err != nil {
			return nil, err
		}
	}
	if err := h.scan(data); err != nil {
		return nil, err
	}
	return h, nil
}

// fault returns err in a strict Hive and notes it in a tolerant one.
func (h *Hive) fault(err error) error {
	if !h.tolerant {
		return err
	}
	if len(h.Warnings) < 100 {
		h.Warnings = append(h.Warnings, err)
	}
	return nil
}

// scan walks the bins and marks every allocated cell. Offsets that do not lead to a marked cell are refused
// later, so nothing in a damaged hive can be read as something else in mid-cell.
func (h *Hive) scan(data []byte) error {
	if len(data) < baseSize {
		return corruptAt(int64(len(data)), "base block", "the file ends before the first bin")
	}
	size := int64(h.Header.BinsSize)
	if have := int64(len(data)) - baseSize; have < size {
		if err := h.fault(corruptAt(int64(len(data)), "bin",
			"the file ends %d bytes before the end of the bins", size-have)); err != nil {
			return err
		}
		size = have &^ 7
	}
	if size > MaxSize-baseSize {
		return corruptAt(40, "base block", "%d bytes of bins", size)
	}
	h.bins = slices.Clip(data[baseSize : baseSize+size])
	h.cells = newBitmap(len(h.bins))
	for off := 0; off < len(h.bins); {
		n, err := h.scanBin(off)
		if err != nil {
			if err := h.fault(err); err != nil {
				return err
			}
		}
		off += n
	}
	if _, err := h.Root(); err != nil {
		return err
	}
	return nil
}

// scanBin marks the cells of the bin at off and returns how far the next bin is.
func (h *Hive) scanBin(off int) (next int, err error) {
	const head, page = 32, 4096
	b := h.bins[off:]
	if len(b) < head || string(b[:4]) != "hbin" {
		return page, corrupt(uint32(off), "bin", "no hbin signature")
	}
	size := int(le.Uint32(b[8:]))
	if size < page || size%page != 0 || size > len(b) {
		if !h.tolerant || size <= head || size%page != 0 {
			return page, corrupt(uint32(off), "bin", "its size is %d, %d bytes are left", size, len(b))
		}
		err, size = corrupt(uint32(off), "bin", "its size is %d, %d bytes are left", size, len(b)), len(b)
	}
	if at := le.Uint32(b[4:]); at != uint32(off) {
		if !h.tolerant {
			return page, corrupt(uint32(off), "bin", "it says it is at %#x", at)
		}
		err = corrupt(uint32(off), "bin", "it says it is at %#x", at)
	}
	for p := head; p < size; {
		if size-p < 8 {
			return size, corrupt(uint32(off+p), "cell", "%d bytes are left in the bin", size-p)
		}
		n := int(int32(le.Uint32(b[p:])))
		used := n < 0
		if used {
			n = -n
		}
		if n < 8 || n%8 != 0 || n > size-p {
			return size, corrupt(uint32(off+p), "cell", "its size is %d, %d bytes are left in the bin", n, size-p)
		}
		if used {
			h.cells.set(uint32(off + p))
		}
		p += n
	}
	return size, err
}

// cell returns the data of the allocated cell at off, without its size field.
func (h *Hive) cell(off uint32, record string) ([]byte, error) {
	if off%8 != 0 || int64(off)+8 > int64(len(h.bins)) || !h.cells.has(off) {
		return nil, corrupt(off, record, "no allocated cell begins here")
	}
	n := -int(int32(le.Uint32(h.bins[off:])))
	end := int(off) + n
	return h.bins[off+4 : end : end], nil
}

// A bitmap has one bit for every eight bytes of the bins.
type bitmap []uint64

func newBitmap(n int) bitmap         { return make(bitmap, (n/8+63)/64+1) }
func (b bitmap) set(off uint32)      { b[off>>9] |= 1 << (off >> 3 & 63) }
func (b bitmap) has(off uint32) bool { return b[off>>9]>>(off>>3&63)&1 != 0 }
func (b bitmap) take(off uint32) (ok bool) { // reports whether the bit was clear, and sets it
	ok = !b.has(off)
	b.set(off)
	return ok
}
