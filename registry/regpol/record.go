package regpol

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"go.internal/hybridkit/registry"
)

const format = "pol"

// signature is "PReg" and version 1.
const signature = "PReg\x01\x00\x00\x00"

// Errors wrapped in the SyntaxErrors of Decode and Records.
var (
	// ErrHeader: the file does not start with "PReg" and version 1, so Windows ignores it. Nothing is decoded.
	ErrHeader = errors.New("not a Registry.pol of version 1")
	// ErrSize: the Size field of a record does not lead to its closing bracket.
	ErrSize = errors.New("the Size field is wrong")
	// ErrTooBig: the file is larger than Decoder.MaxBytes.
	ErrTooBig = errors.New("larger than the limit of the decoder")
)

// A Decoder reads Registry.pol. The zero Decoder is strict: it stops at the first record that breaks the format.
type Decoder struct {
	// Tolerant makes the decoder recover records with a wrong Size, skip what cannot be read, and report both.
	Tolerant bool
	// Hive is the root of the keys, which the file does not name: a file below Machine is about
	// registry.LocalMachine, which is also the meaning of zero, one below User about registry.CurrentUser.
	Hive registry.Hive
	// MaxBytes limits the file; 0 means 256 MiB.
	MaxBytes int64
}

// A Record is one record of the file as it stands there. Size is not stored: it is len(Data).
type Record struct {
	Key  string // without a root
	Name string // of the value or an instruction such as "**del.Name"
	Type registry.Type
	Data []byte // part of the input; do not change it
	Pos  registry.Pos
}

// Records yields the records of a whole file. data is not copied: Record.Data points into it. Errors are
// *registry.SyntaxError; in tolerant mode a pair may hold a recovered Record and the error that describes it.
// A dropped part gives an error with the zero Record. The sequence can be used any number of times.
func (d Decoder) Records(data []byte) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		p := parser{Decoder: d, data: data}
		if err := p.header(); err != nil {
			yield(Record{}, err)
			return
		}
		p.run(yield)
	}
}

type parser struct {
	Decoder
	data   []byte
	pos    int
	record int
	arena  strings.Builder // names are cut from it, so that most records need no allocation
	rawKey []byte          // the key of the last record, as in the file
	key    string
	noEnd  int // not zero: no record ends behind this offset, so nobody looks again
}

func (p *parser) header() error {
	if n := min(len(p.data), len(signature)); string(p.data[:n]) != signature {
		at := 0
		for at < n && p.data[at] == signature[at] {
			at++
		}
		msg := fmt.Sprintf("% x", p.data[:n])
		if n == 0 {
			msg = "the file is empty"
		}
		return &registry.SyntaxError{Format: format, Pos: registry.Pos{Offset: int64(at)}, Field: "header", Msg: msg, Err: ErrHeader}
	}
	p.pos = len(signature)
	return nil
}

func (p *parser) run(yield func(Record, error) bool) {
	for p.pos < len(p.data) {
		start := p.pos
		p.record++
		rec, err := p.next()
		if err == nil {
			if !yield(rec, nil) {
				return
			}
			continue
		}
		var found bool
		if p.Tolerant {
			found = p.recover(&rec, err)
		}
		if !yield(rec, err) || !p.Tolerant {
			return
		}
		if !found && !p.skip(start) {
			return
		}
	}
}

func (p *parser) fail(at int, field, msg string, err error) *registry.SyntaxError {
	pos := registry.Pos{Offset: int64(at), Record: p.record}
	return &registry.SyntaxError{Format: format, Pos: pos, Field: field, Msg: msg, Err: err}
}

// is reports whether the UTF-16 character c stands at offset at.
func (p *parser) is(at int, c byte) bool {
	return at+1 < len(p.data) && p.data[at] == c && p.data[at+1] == 0
}

// next reads the record at p.pos. With an error wrapping ErrSize the Record is complete but for its Data, and p.pos is where
// the data starts.
func (p *parser) next() (Record, *registry.SyntaxError) {
	rec := Record{Pos: registry.Pos{Offset: int64(p.pos), Record: p.record}}
	at := p.pos
	if !p.is(at, '[') {
		return Record{}, p.fail(at, "", "no [ where a record must start", nil)
	}
	at += 2
	// Most records repeat the key of the one before.
	if n := len(p.rawKey); n > 0 && bytes.HasPrefix(p.data[at:], p.rawKey) {
		at += n
	} else {
		key, n := p.text(at)
		if n < 0 {
			return Record{}, p.fail(at, "key", "no NUL before the end of the file", nil)
		}
		p.key, p.rawKey = key, p.data[at:at+n]
		at += n
	}
	rec.Key = p.key
	if !p.is(at, ';') {
		return Record{}, p.fail(at, "key", "no ; behind it", nil)
	}
	at += 2
	var n int
	if rec.Name, n = p.text(at); n < 0 {
		return Record{}, p.fail(at, "value name", "no NUL before the end of the file", nil)
	}
	at += n
	// ; type ; size ;
	if len(p.data)-at < 14 {
		return Record{}, p.fail(at, "type", "the file ends within the record", nil)
	}
	for i, field := range [...]string{"value name", "type", "size"} {
		if !p.is(at+i*6, ';') {
			return Record{}, p.fail(at+i*6, field, "no ; behind it", nil)
		}
	}
	rec.Type = registry.Type(binary.LittleEndian.Uint32(p.data[at+2:]))
	size := uint64(binary.LittleEndian.Uint32(p.data[at+8:]))
	at += 14
	p.pos = at
	if size > uint64(len(p.data)-at) {
		return rec, p.fail(at-6, "size", fmt.Sprintf("%d bytes of data, but the file ends after %d", size, len(p.data)-at), ErrSize)
	}
	end := at + int(size)
	if !p.is(end, ']') {
		return rec, p.fail(end, "size", fmt.Sprintf("no ] behind %d bytes of data", size), ErrSize)
	}
	rec.Data = p.data[at:end:end]
	p.pos = end + 2
	return rec, nil
}

// text reads UTF-16 up to and including the NUL at offset at, and returns how many bytes that was, or -1.
func (p *parser) text(at int) (string, int) {
	const grow = 16 << 10
	b := p.data[at:]
	if free := p.arena.Cap() - p.arena.Len(); free < 512 {
		p.arena = strings.Builder{}
		p.arena.Grow(min(grow, max(512, len(b)/2)))
	}
	from, limit := p.arena.Len(), p.arena.Cap()-p.arena.Len()
	for i := 0; i+1 < len(b); i += 2 {
		c := b[i]
		if b[i+1] != 0 || c >= 0x80 || i>>1 >= limit {
			return longText(b, i)
		}
		if c == 0 {
			return p.arena.String()[from:], i + 2
		}
		p.arena.WriteByte(c)
	}
	return "", -1
}

// longText reads names that are not ASCII or do not fit the arena; the first i bytes hold no NUL.
func longText(b []byte, i int) (string, int) {
	for ; i+1 < len(b); i += 2 {
		if b[i] == 0 && b[i+1] == 0 {
			return registry.FromUTF16(b[:i]), i + 2
		}
	}
	return "", -1
}

// recover finds the end of a record whose Size is wrong: the first ] with the start of another record or the end
// of the file behind it. It completes rec and err, and sets p.pos behind the record.
func (p *parser) recover(rec *Record, err *registry.SyntaxError) bool {
	if !errors.Is(err, ErrSize) || p.noEnd > 0 && p.pos >= p.noEnd {
		*rec = Record{}
		return false
	}
	for at := p.pos; at+1 < len(p.data); at++ {
		i := bytes.Index(p.data[at:], []byte{']', 0})
		if i < 0 {
			break
		}
		at += i
		if at+2 == len(p.data) || p.plausible(at+2) {
			rec.Data = p.data[p.pos:at:at]
			err.Msg += fmt.Sprintf("; read %d bytes up to the closing bracket instead", at-p.pos)
			p.pos = at + 2
			return true
		}
	}
	p.noEnd = p.pos
	*rec = Record{}
	return false
}

// skip moves p.pos behind start to where a record may begin.
func (p *parser) skip(start int) bool {
	for at := start + 1; at+1 < len(p.data); at++ {
		i := bytes.Index(p.data[at:], []byte{'[', 0})
		if i < 0 {
			break
		}
		if at += i; p.plausible(at) {
			p.pos = at
			return true
		}
	}
	p.pos = len(p.data)
	return false
}

// plausible reports whether the start of a record stands at offset at: [ key NUL ; name NUL ; type ; size ;
// with names of legal length. It looks at a bounded number of bytes, so searching stays linear.
func (p *parser) plausible(at int) bool {
	const longest = 512 * 2 // bytes; more than [MS-GPREG] allows in a name
	if !p.is(at, '[') {
		return false
	}
	at += 2
	for range 2 {
		end := min(len(p.data), at+longest)
		for ; ; at += 2 {
			if at+1 >= end {
				return false
			}
			if p.data[at] == 0 && p.data[at+1] == 0 {
				break
			}
		}
		if at += 2; !p.is(at, ';') {
			return false
		}
		at += 2
	}
	return p.is(at+4, ';') && p.is(at+10, ';')
}

// AppendHeader appends the eight bytes every file starts with. They alone are a valid file without policies.
func AppendHeader(dst []byte) []byte { return append(dst, signature...) }

// AppendRecord appends r in the form of the file. A Key or Name with a NUL in it cannot be written and gives an error.
func AppendRecord(dst []byte, r Record) ([]byte, error) {
	if strings.IndexByte(r.Key, 0) >= 0 || strings.IndexByte(r.Name, 0) >= 0 {
		return dst, errors.New("pol: a key or value name contains a NUL")
	}
	if int64(len(r.Data)) > 0xFFFFFFFF {
		return dst, errors.New("pol: data of more than 4 GiB")
	}
	dst = append(dst, '[', 0)
	dst = registry.AppendUTF16(dst, r.Key)
	dst = append(dst, 0, 0, ';', 0)
	dst = registry.AppendUTF16(dst, r.Name)
	dst = append(dst, 0, 0, ';', 0)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(r.Type))
	dst = append(dst, ';', 0)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(r.Data)))
	dst = append(dst, ';', 0)
	dst = append(dst, r.Data...)
	return append(dst, ']', 0), nil
}

// read returns the content of r, at most d.MaxBytes.
func (d Decoder) read(r io.Reader) ([]byte, error) {
	limit := d.MaxBytes
	if limit <= 0 {
		limit = 256 << 20
	}
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = &registry.SyntaxError{Format: format, Pos: registry.Pos{Offset: limit}, Msg: fmt.Sprintf("more than %d bytes", limit), Err: ErrTooBig}
	}
	return data, err
}
