// Package regconv tells the formats of registry files apart and converts between any two of them.
//
//	format, entries, err := regconv.Decode(file, regconv.Options{Name: "export.reg"})
//	from, err := regconv.Convert(out, regconv.Pol, in, regconv.Options{})
//
// It imports every codec below package registry, so that package registry need not. A conversion is complete or says what is
// missing: what the target cannot hold comes back as [registry.LossError].
package regconv

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"path"
	"slices"
	"strings"

	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/codepage"
	"go.internal/hybridkit/registry/gpp"
	"go.internal/hybridkit/registry/hive"
	"go.internal/hybridkit/registry/regfile"
	"go.internal/hybridkit/registry/regpol"
	"go.internal/hybridkit/registry/regquery"
	"go.internal/hybridkit/registry/secinf"
)

// A Format is one of the forms in which registry values travel. Its text is the name used on command lines.
type Format string

const (
	Reg   Format = "reg"   // .reg of regedit and reg export
	Reg4  Format = "reg4"  // the same in the REGEDIT4 form; only as a target, Detect calls both Reg
	Pol   Format = "pol"   // Registry.pol of Group Policy
	GPP   Format = "gpp"   // Registry.xml of Group Policy Preferences
	Inf   Format = "inf"   // GptTmpl.inf of a security template
	Query Format = "query" // output of reg query
	JSON  Format = "json"  // values in JSON, see package regquery
	Hive  Format = "hive"  // offline hive; cannot be written
)

// Formats returns all formats, the writable ones first.
func Formats() []Format { return []Format{Reg, Reg4, Pol, GPP, Inf, Query, JSON, Hive} }

// ErrFormat is wrapped by errors about input that is in no known format and about targets that cannot be written.
var ErrFormat = errors.New("regconv: unknown format")

// Options say what the file itself does not. The zero Options are strict and suit machine files.
type Options struct {
	Name     string        // of the file: decides where the content does not, and a folder User makes a Registry.pol one of the user
	Format   Format        // "" detects it
	Tolerant bool          // go on after errors, see the Decoder types of the codecs
	Hive     registry.Hive // root of a Registry.pol; zero is decided by Name, otherwise HKEY_LOCAL_MACHINE
	Root     registry.Path // where an offline hive is mounted; zero lets Name and then the hive decide
	Logs     [][]byte      // transaction logs of an offline hive
	CodePage codepage.Page // of files without one; nil is the default of the codec
	Facts    *gpp.Facts    // decide item-level targeting; nil yields all items
}

// sniffed is how many bytes Detect wants to see.
const sniffed = 4096

// Detect returns the format of a file from its first bytes (4096 are enough) and its name, which decides only where
// the bytes say nothing. ok is false if the file is in no known format.
func Detect(head []byte, name string) (f Format, ok bool) {
	text := head
	switch {
	case bytes.HasPrefix(head, []byte("regf")):
		return Hive, true
	case bytes.HasPrefix(head, []byte("PReg")):
		return Pol, true
	case bytes.HasPrefix(head, []byte("\xFF\xFE")):
		text = []byte(registry.FromUTF16(head[2:]))
	case bytes.HasPrefix(head, []byte("\xFE\xFF")):
		text = []byte(registry.FromUTF16(swapped(head[2:])))
	case len(head) > 1 && head[0] != 0 && head[1] == 0:
		text = []byte(registry.FromUTF16(head))
	}
	text = bytes.TrimLeft(bytes.TrimPrefix(text, []byte("\xEF\xBB\xBF")), " \t\r\n")
	switch {
	case bytes.HasPrefix(text, []byte("Windows Registry Editor")), bytes.HasPrefix(text, []byte("REGEDIT")):
		return Reg, true
	case gpp.Sniff(head):
		return GPP, true
	case bytes.HasPrefix(text, []byte("HKEY_")):
		return Query, true
	case bytes.HasPrefix(text, []byte("{")), isJSONArray(text):
		return JSON, true
	case secinf.Sniff(head):
		return Inf, true
	}
	return byName(name)
}

func swapped(b []byte) []byte {
	out := bytes.Clone(b)
	for i := 0; i+1 < len(out); i += 2 {
		out[i], out[i+1] = out[i+1], out[i]
	}
	return out
}

// isJSONArray tells "[ {" from the "[Unicode]" of a template.
func isJSONArray(text []byte) bool {
	rest, ok := bytes.CutPrefix(text, []byte("["))
	rest = bytes.TrimLeft(rest, " \t\r\n[")
	return ok && len(rest) > 0 && (rest[0] == '{' || rest[0] == ']')
}

func byName(name string) (Format, bool) {
	base := strings.ToLower(path.Base(strings.ReplaceAll(name, `\`, "/")))
	for suffix, f := range map[string]Format{".reg": Reg, ".pol": Pol, ".inf": Inf, ".hiv": Hive, ".json": JSON, "registry.xml": GPP} {
		if strings.HasSuffix(base, suffix) {
			return f, true
		}
	}
	switch base {
	case "system", "software", "sam", "security", "default", "ntuser.dat", "usrclass.dat", "bcd", "amcache.hve":
		return Hive, true
	}
	return "", false
}

// userFolder reports whether name lies in the User half of a Group Policy Object.
func userFolder(name string) bool {
	for part := range strings.SplitSeq(strings.ReplaceAll(name, `\`, "/"), "/") {
		if strings.EqualFold(part, "User") {
			return true
		}
	}
	return false
}

// mountByName returns where a hive belongs whose file name has exactly one of the names that Windows gives to hives, between
// characters that are no letters: SOFTWARE, backup-SOFTWARE.hiv.
func mountByName(name string) registry.Path {
	base := strings.ToUpper(path.Base(strings.ReplaceAll(name, `\`, "/")))
	var found registry.Path
	for word := range strings.FieldsFuncSeq(base, func(r rune) bool { return r < 'A' || r > 'Z' }) {
		var p registry.Path
		switch word {
		case "SOFTWARE", "SYSTEM", "SAM", "SECURITY":
			p = registry.HKLM(word)
		case "NTUSER":
			p = registry.HKCU("")
		default:
			continue
		}
		if !found.IsZero() && found != p {
			return registry.Path{}
		}
		found = p
	}
	return found
}

// Decode detects the format of r and returns the entries of its decoder. The error is about the format only and wraps ErrFormat;
// errors of the content come with the entries, which can be ranged over once.
func Decode(r io.Reader, o Options) (Format, iter.Seq2[registry.Entry, error], error) {
	f := o.Format
	if f == "" {
		br := bufio.NewReaderSize(r, sniffed)
		head, err := br.Peek(sniffed)
		if err != nil && err != io.EOF {
			return "", nil, err
		}
		var ok bool
		if f, ok = Detect(head, o.Name); !ok {
			what := "the content is none of " + list()
			if len(head) == 0 {
				what = "the input is empty"
			}
			return "", nil, fmt.Errorf("%w: %s", ErrFormat, what)
		}
		r = br
	}
	switch f {
	case Reg, Reg4:
		return f, regfile.Decoder{Tolerant: o.Tolerant, CodePage: o.CodePage}.Decode(r), nil
	case Pol:
		h := o.Hive
		if h == 0 && userFolder(o.Name) {
			h = registry.CurrentUser
		}
		return f, regpol.Decoder{Tolerant: o.Tolerant, Hive: h}.Decode(r), nil
	case GPP:
		return f, gpp.Decoder{Tolerant: o.Tolerant, Facts: o.Facts}.Decode(r), nil
	case Inf:
		return f, secinf.Decoder{Tolerant: o.Tolerant, CodePage: o.CodePage}.Decode(r), nil
	case Query:
		return f, regquery.Decoder{Tolerant: o.Tolerant, CodePage: o.CodePage}.Decode(r), nil
	case JSON:
		return f, regquery.JSONDecoder{Tolerant: o.Tolerant}.Decode(r), nil
	case Hive:
		root := o.Root
		if root.IsZero() {
			root = mountByName(o.Name)
		}
		return f, hive.Decoder{Tolerant: o.Tolerant, Root: root, Guess: true, Logs: o.Logs}.Decode(r), nil
	}
	return "", nil, fmt.Errorf("%w %q; there are %s", ErrFormat, f, list())
}

func list() string {
	var names []string
	for _, f := range Formats() {
		names = append(names, string(f))
	}
	return strings.Join(names, ", ")
}

// Encode writes entries in the format f. The error is an error of w, wraps ErrFormat, or joins a *registry.LossError per entry
// that f cannot hold. A Registry.pol is written for the root of the first entry, so entries is ranged over twice.
//
// Formats other than Reg name a key with each value, so a CreateKey followed by a value of that key is left out for them, and
// comments are too; neither is a loss.
func Encode(w io.Writer, f Format, entries iter.Seq[registry.Entry]) error {
	switch f {
	case Reg:
		return regfile.Encode(w, entries)
	case Reg4:
		return regfile.Encoder{Version: regfile.Version4}.Encode(w, entries)
	case Query:
		return regquery.Encode(w, entries)
	case JSON:
		return regquery.EncodeJSON(w, entries)
	case GPP:
		return gpp.Encode(w, bare(entries))
	case Inf:
		return secinf.Encode(w, bare(entries))
	case Pol:
		h, entries := firstHive(bare(entries))
		return regpol.Encoder{Hive: h}.Encode(w, entries)
	case Hive:
		return fmt.Errorf("%w: a hive cannot be written", ErrFormat)
	}
	return fmt.Errorf("%w %q; there are %s", ErrFormat, f, list())
}

// bare drops comments and CreateKeys that go without saying.
func bare(entries iter.Seq[registry.Entry]) iter.Seq[registry.Entry] {
	return func(yield func(registry.Entry) bool) {
		var held registry.Entry
		for e := range entries {
			if held.Op != 0 {
				covered := (e.Op == registry.Set || e.Op == registry.SetIfAbsent) && e.Path.Equal(held.Path)
				if !covered && !yield(held) {
					return
				}
				held = registry.Entry{}
			}
			switch {
			case e.Op == registry.CreateKey && e.Note == "":
				held = e
				continue
			case e.Op == registry.Note && e.Path.IsZero():
				continue
			}
			if !yield(e) {
				return
			}
		}
		if held.Op != 0 {
			yield(held)
		}
	}
}

// firstHive returns the root of the first entry, and the entries again.
func firstHive(entries iter.Seq[registry.Entry]) (registry.Hive, iter.Seq[registry.Entry]) {
	for e := range entries {
		return e.Path.Hive, entries
	}
	return 0, entries
}

// Convert reads r in any format and writes it as to. It returns the format it met. Without Options.Tolerant nothing is
// written if r breaks its format. The error joins what the decoder reported and what the target cannot hold: with
// Options.Tolerant the output is complete but for what the error names.
func Convert(w io.Writer, to Format, r io.Reader, o Options) (Format, error) {
	from, seq, err := Decode(r, o)
	if err != nil {
		return from, err
	}
	const limit = 100
	var entries []registry.Entry
	var errs []error
	more := 0
	for e, err := range seq {
		if err != nil {
			if !o.Tolerant {
				return from, err
			}
			if len(errs) < limit {
				errs = append(errs, err)
			} else {
				more++
			}
		}
		if e.Op != 0 {
			entries = append(entries, e)
		}
	}
	if more > 0 {
		errs = append(errs, fmt.Errorf("and %d more errors", more))
	}
	errs = append(errs, Encode(w, to, slices.Values(entries)))
	return from, errors.Join(errs...)
}
