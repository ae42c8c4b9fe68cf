package ldif

import (
	"bufio"
	"encoding/base64"
	"errors"
	"io"
	"iter"
	"strings"

	"go.internal/hybridkit/ldapsync"
)

// Write writes objects as LDIF, in the order they come: for each the DN, objectGUID if it has an identity, then
// the attributes by name with their values in order. Lines are not folded. An unreadable attribute becomes a
// comment that Records understands. The same objects give the same bytes.
func Write(w io.Writer, objects iter.Seq[ldapsync.Object]) error {
	b := bufio.NewWriter(w)
	first := true
	for o := range objects {
		if o.DN.IsRoot() {
			return errors.New("ldif: an object without a DN cannot be written")
		}
		if !first {
			_ = b.WriteByte('\n')
		}
		first = false
		writeLine(b, "dn", o.DN.String())
		if !o.ID.IsZero() {
			_, _ = b.WriteString("objectGUID:: " + base64.StdEncoding.EncodeToString([]byte(o.ID.Raw())) + "\n")
		}
		for a := range o.Attrs() {
			if strings.EqualFold(a.Name, "objectGUID") && !o.ID.IsZero() {
				continue
			}
			if a.Presence == ldapsync.Unreadable {
				_, _ = b.WriteString("# " + a.Name + ": unreadable\n")
			}
			for _, v := range a.Values {
				writeLine(b, a.Name, v)
			}
		}
	}
	return b.Flush() // reports the first error of all writes
}

// writeLine writes one value, in base64 where it is not a SAFE-STRING (RFC 2849) or ends in a blank.
func writeLine(b *bufio.Writer, name, v string) {
	safe := v == "" || v[0] != ' ' && v[0] != ':' && v[0] != '<' && v[len(v)-1] != ' '
	for i := 0; i < len(v) && safe; i++ {
		safe = v[i] >= 0x20 && v[i] < 0x7f
	}
	if safe {
		_, _ = b.WriteString(name + ": " + v + "\n")
		return
	}
	_, _ = b.WriteString(name + ":: " + base64.StdEncoding.EncodeToString([]byte(v)) + "\n")
}
