package regquery

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"strconv"
	"strings"

	"go.internal/hybridkit/registry"
)

const jsonFormat = "json"

// A JSONDecoder reads values from JSON. The zero JSONDecoder is strict.
type JSONDecoder struct {
	// Tolerant makes Decode report what it does not understand and go on.
	Tolerant bool
	// Path is the key of objects that do not name theirs: Get-ItemProperty piped through Select-Object.
	Path registry.Path
	// MaxBytes limits the file; 0 means 64 MiB.
	MaxBytes int64
}

// DecodeJSON reads JSON with the zero JSONDecoder. See [JSONDecoder.Decode].
func DecodeJSON(r io.Reader) iter.Seq2[registry.Entry, error] { return JSONDecoder{}.Decode(r) }

// Decode reads one or several JSON values, each an object or an array of objects, in UTF-8 or UTF-16 as PowerShell writes
// it. Two kinds of objects are known.
//
// An object with the members path, name, type and data is one value without loss: type is REG_SZ and so on or a number, data
// hexadecimal bytes. EncodeJSON and the script of Script make it. If type is missing, the object is a key.
//
// Any other object is taken for the output of Get-ItemProperty: every member is a value of the key in PSPath. Its types are
// guessed: a string is a REG_SZ (REG_EXPAND_SZ was expanded), a whole number a REG_DWORD if it fits, otherwise
// a REG_QWORD, an array of strings a REG_MULTI_SZ and one of numbers a REG_BINARY. The Note of such entries says so.
func (d JSONDecoder) Decode(r io.Reader) iter.Seq2[registry.Entry, error] {
	return func(yield func(registry.Entry, error) bool) {
		limit := d.MaxBytes
		if limit <= 0 {
			limit = 64 << 20
		}
		data, err := io.ReadAll(io.LimitReader(r, limit+1))
		if err == nil && int64(len(data)) > limit {
			err = &registry.SyntaxError{Format: jsonFormat, Pos: registry.Pos{Offset: limit}, Msg: fmt.Sprintf("more than %d bytes", limit)}
		}
		if err != nil {
			yield(registry.Entry{}, err)
			return
		}
		p := jsonParser{JSONDecoder: d, data: utf8Text(data), yield: yield}
		p.run()
	}
}

// utf8Text removes a byte order mark and turns UTF-16 into UTF-8.
func utf8Text(b []byte) []byte {
	switch {
	case bytes.HasPrefix(b, []byte("\xFF\xFE")):
		return []byte(registry.FromUTF16(b[2:]))
	case len(b) > 1 && b[0] != 0 && b[1] == 0:
		return []byte(registry.FromUTF16(b))
	}
	return bytes.TrimPrefix(b, []byte("\xEF\xBB\xBF"))
}

type jsonParser struct {
	JSONDecoder
	data    []byte
	yield   func(registry.Entry, error) bool
	stopped bool
	line    int // of the last position asked for
	upTo    int
}

// pos turns an offset into a position; offsets never decrease, so lines are counted once.
func (p *jsonParser) pos(offset int64) registry.Pos {
	at := min(int(offset), len(p.data))
	if at > p.upTo {
		p.line += bytes.Count(p.data[p.upTo:at], []byte("\n"))
		p.upTo = at
	}
	return registry.Pos{Line: p.line + 1, Offset: offset}
}

func (p *jsonParser) fail(pos registry.Pos, field, msg string, err error) {
	se := &registry.SyntaxError{Format: jsonFormat, Pos: pos, Field: field, Msg: msg, Err: err}
	if !p.yield(registry.Entry{}, se) || !p.Tolerant {
		p.stopped = true
	}
}

func (p *jsonParser) emit(e registry.Entry) {
	if !p.yield(e, nil) {
		p.stopped = true
	}
}

func (p *jsonParser) run() {
	dec := json.NewDecoder(bytes.NewReader(p.data))
	depth, objects := 0, 0
	for !p.stopped {
		// The brackets of arrays are read one by one, objects as a whole.
		if dec.More() && p.at(dec) == '{' {
			pos := p.pos(int64(p.skip(dec)))
			var raw json.RawMessage
			if err := dec.Decode(&raw); err != nil {
				p.end(dec, err)
				return
			}
			objects++
			p.object(raw, pos)
			continue
		}
		tok, err := dec.Token()
		if err == io.EOF && depth == 0 && objects > 0 {
			return
		}
		if err != nil {
			p.end(dec, err)
			return
		}
		switch tok {
		case json.Delim('['):
			if depth++; depth > 8 {
				p.end(dec, errors.New("arrays nested more than 8 deep"))
				return
			}
		case json.Delim(']'):
			if depth--; depth == 0 && objects == 0 {
				return // an empty list is no mistake
			}
		default:
			p.fail(p.pos(dec.InputOffset()), "", fmt.Sprintf("%v where an object of values must be", tok), nil)
		}
	}
}

func (p *jsonParser) end(dec *json.Decoder, err error) {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = errors.New("the text ends too early")
	}
	pos := p.pos(dec.InputOffset())
	p.yield(registry.Entry{}, &registry.SyntaxError{Format: jsonFormat, Pos: pos, Err: err})
}

// skip returns the offset of the next character that is no white space or separator.
func (p *jsonParser) skip(dec *json.Decoder) int {
	i := int(dec.InputOffset())
	for i < len(p.data) && strings.IndexByte(" \t\r\n,:", p.data[i]) >= 0 {
		i++
	}
	return i
}

func (p *jsonParser) at(dec *json.Decoder) byte {
	if i := p.skip(dec); i < len(p.data) {
		return p.data[i]
	}
	return 0
}

type member struct {
	name string
	raw  json.RawMessage
}

// members splits an object and keeps the order of its members.
func members(raw json.RawMessage) ([]member, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	var list []member
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return nil, err
		}
		m := member{name: fmt.Sprint(tok)}
		if err := dec.Decode(&m.raw); err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	return list, nil
}

func (p *jsonParser) object(raw json.RawMessage, pos registry.Pos) {
	list, err := members(raw)
	if err != nil {
		p.fail(pos, "", "", err)
		return
	}
	exact := map[string]string{}
	path := p.Path
	for _, m := range list {
		var s string
		isText := json.Unmarshal(m.raw, &s) == nil
		switch m.name {
		case "path", "name", "type", "data":
			if !isText && m.name == "type" {
				s, isText = string(m.raw), true
			}
			if isText {
				exact[m.name] = s
			}
		case "PSPath":
			if path, err = registry.ParsePath(s); err != nil {
				p.fail(pos, "PSPath", "", err)
				return
			}
		}
	}
	if _, ok := exact["path"]; ok {
		p.exact(exact, pos)
		return
	}
	if path.IsZero() {
		p.fail(pos, "path", "the object names no key, neither in path nor in PSPath", nil)
		return
	}
	p.emit(registry.Entry{Op: registry.CreateKey, Path: path, Pos: pos})
	for _, m := range list {
		if p.stopped {
			return
		}
		switch m.name {
		case "PSPath", "PSParentPath", "PSChildName", "PSDrive", "PSProvider":
			continue
		}
		v, err := guess(m.raw)
		if err != nil {
			p.fail(pos, m.name, "", err)
			continue
		}
		e := registry.Entry{Op: registry.Set, Path: path, Name: m.name, Value: v, Note: "type guessed from JSON", Pos: pos}
		if strings.EqualFold(m.name, "(default)") {
			e.Name = ""
		}
		p.emit(e)
	}
}

// exact handles an object that says everything.
func (p *jsonParser) exact(m map[string]string, pos registry.Pos) {
	path, err := registry.ParsePath(m["path"])
	if err != nil {
		p.fail(pos, "path", "", err)
		return
	}
	typ, ok := m["type"]
	if !ok {
		p.emit(registry.Entry{Op: registry.CreateKey, Path: path, Pos: pos})
		return
	}
	e := registry.Entry{Op: registry.Set, Path: path, Name: m["name"], Pos: pos}
	if e.Value.Type, ok = registry.ParseType(typ); !ok {
		p.fail(pos, "type", fmt.Sprintf("no type %q", clip(typ)), nil)
		return
	}
	if e.Value.Data, err = hex.DecodeString(m["data"]); err != nil {
		p.fail(pos, "data", "not hexadecimal bytes", err)
		return
	}
	p.emit(e)
}

// guess makes a value of what ConvertTo-Json left of it.
func guess(raw json.RawMessage) (registry.Value, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return registry.Value{}, err
	}
	// Windows PowerShell sometimes wraps an array as {"value": […], "Count": n}.
	if m, ok := v.(map[string]any); ok {
		if inner, ok := m["value"]; ok && len(m) == 2 {
			v = inner
		}
	}
	switch v := v.(type) {
	case nil:
		return registry.Value{}, nil
	case string:
		return registry.String(v), nil
	case json.Number:
		return guessNumber(v.String())
	case []any:
		return guessList(v)
	}
	return registry.Value{}, fmt.Errorf("%T is no value of a registry", v)
}

func guessNumber(s string) (registry.Value, error) {
	if n, err := strconv.ParseUint(s, 10, 64); err == nil {
		if n > math.MaxUint32 {
			return registry.QWord(n), nil
		}
		return registry.DWord(uint32(n)), nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return registry.Value{}, fmt.Errorf("%s is no whole number of 64 bits", clip(s))
	}
	// .NET shows a REG_DWORD as a signed number.
	if n >= math.MinInt32 {
		return registry.DWord(uint32(n)), nil
	}
	return registry.QWord(uint64(n)), nil
}

func guessList(list []any) (registry.Value, error) {
	var texts []string
	var data []byte
	for _, item := range list {
		switch item := item.(type) {
		case string:
			texts = append(texts, item)
		case json.Number:
			n, err := strconv.ParseUint(item.String(), 10, 8)
			if err != nil {
				return registry.Value{}, fmt.Errorf("%s is no byte", clip(item.String()))
			}
			data = append(data, byte(n))
		default:
			return registry.Value{}, fmt.Errorf("%T in a list", item)
		}
	}
	if len(texts) > 0 && len(data) > 0 {
		return registry.Value{}, errors.New("strings and numbers in one list")
	}
	if len(data) > 0 {
		return registry.Binary(data), nil
	}
	return registry.Strings(texts...), nil
}

// A jsonValue is the exact form of one value.
type jsonValue struct {
	Path string `json:"path"`
	Name string `json:"name"`
	Type string `json:"type"`
	Data string `json:"data"`
	Text string `json:"text"`
}

// EncodeJSON writes one JSON object per line and value: path, name, type, data (hexadecimal bytes) and text, which is data for
// people. A key without values is an object with a path alone. Decode reads it back without loss, except that an unpaired
// surrogate in a name becomes U+FFFD. Comments are not written; everything else that is neither a key nor a value is
// left out and returned as *registry.LossError.
func EncodeJSON(w io.Writer, entries iter.Seq[registry.Entry]) error {
	var losses registry.Losses
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	var key registry.Entry // a CreateKey whose values may follow
	flush := func() error {
		if key.Op == 0 {
			return nil
		}
		key.Op = 0
		return enc.Encode(struct {
			Path string `json:"path"`
		}{key.Path.String()})
	}
	for e := range entries {
		if key.Op != 0 && !(e.Op == registry.Set && e.Path.Equal(key.Path)) {
			if err := flush(); err != nil {
				return err
			}
		}
		key.Op = 0
		switch {
		case e.Op == registry.Note && e.Path.IsZero():
		case (e.Op == registry.Set || e.Op == registry.CreateKey) && e.Path.Hive == 0:
			losses.Add(jsonFormat, e, "the root of the key is not known")
		case e.Op == registry.CreateKey:
			key = e
		case e.Op == registry.Set:
			err := enc.Encode(jsonValue{e.Path.String(), e.Name, e.Value.Type.String(), hex.EncodeToString(e.Value.Data), e.Value.String()})
			if err != nil {
				return err
			}
		default:
			losses.Add(jsonFormat, e, "it lists values and cannot delete or protect")
		}
	}
	if err := flush(); err != nil {
		return err
	}
	return losses.Err()
}
