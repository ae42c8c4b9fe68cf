package remedy

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"iter"
	"strings"

	"go.internal/hybridkit/registry"
)

// RegAdd writes a line of reg add or reg delete per entry, for a command prompt or a batch file; the 64-bit view is asked
// for where the registry has two. The doubled percent signs are right in a batch file and must be single when typed at a prompt; batch
// says which is wanted.
//
// What reg.exe cannot do on a command line is left out and returned as *registry.LossError: names and strings with
// line breaks or quotation marks, lists whose strings contain \0, the default value with ClearValues, and data that does not
// fit its type.
func RegAdd(w io.Writer, entries iter.Seq[registry.Entry], batch bool) error {
	var losses registry.Losses
	bw := bufio.NewWriter(w)
	for e := range entries {
		if e.Op == registry.Note {
			continue
		}
		line, why := regLine(e)
		if why != "" {
			losses.Add("reg add", e, why)
			continue
		}
		if batch {
			line = strings.ReplaceAll(line, "%", "%%")
		}
		bw.WriteString(line + "\r\n")
	}
	if err := bw.Flush(); err != nil {
		return err
	}
	return losses.Err()
}

func regLine(e registry.Entry) (line, why string) {
	if e.Path.Hive == 0 {
		return "", "the root of the key is not known"
	}
	if strings.ContainsAny(e.Path.Key+e.Name, "\r\n\x00\"") {
		return "", "a name with a line break or quotation mark"
	}
	key := argument(e.Path.Short())
	name := "/ve"
	if e.Name != "" {
		name = "/v " + argument(e.Name)
	}
	const tail = " /f /reg:64"
	switch e.Op {
	case registry.CreateKey:
		return "reg add " + key + tail, ""
	case registry.DeleteKey:
		return "reg delete " + key + tail, ""
	case registry.DeleteValue:
		return "reg delete " + key + " " + name + tail, ""
	case registry.ClearValues:
		return "reg delete " + key + " /va" + tail, ""
	case registry.Set:
		data, why := regData(e.Value)
		if why != "" {
			return "", why
		}
		return fmt.Sprintf("reg add %s %s /t %v /d %s%s", key, name, e.Value.Type, data, tail), ""
	}
	return "", "reg.exe has no command for it"
}

func regData(v registry.Value) (text, why string) {
	var err error
	switch v.Type {
	case registry.TypeSZ, registry.TypeExpandSZ:
		text, err = v.Text()
	case registry.TypeMultiSZ:
		var list []string
		list, err = v.List()
		for _, s := range list {
			if strings.Contains(s, `\0`) {
				return "", `a string with \0, which separates strings`
			}
		}
		text = strings.Join(list, `\0`)
	case registry.TypeDWord, registry.TypeQWord:
		var n uint64
		n, err = v.Uint()
		text = fmt.Sprint(n)
	case registry.TypeBinary:
		text = hex.EncodeToString(v.Data)
	default:
		return "", "reg add does not take " + v.Type.String()
	}
	if err != nil {
		return "", strings.TrimPrefix(err.Error(), "registry: ")
	}
	if strings.ContainsAny(text, "\r\n\"") {
		return "", "a string with a line break or quotation mark"
	}
	return argument(text), ""
}

// argument quotes s for the command line of a program: backslashes before the closing quotation mark are doubled.
func argument(s string) string {
	n := len(s) - len(strings.TrimRight(s, `\`))
	return `"` + s + strings.Repeat(`\`, n) + `"`
}
