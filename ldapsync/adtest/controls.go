package adtest

import (
	"slices"
	"strings"

	"go.internal/hybridkit/ldapsync/adtest/internal/ber"
)

// Controls the server knows (MS-ADTS 3.1.1.3.4.1).
const (
	oidPaged        = "1.2.840.113556.1.4.319"
	oidDirSync      = "1.2.840.113556.1.4.841"
	oidShowDeleted  = "1.2.840.113556.1.4.417"
	oidShowRecycled = "1.2.840.113556.1.4.2064"
	oidSDFlags      = "1.2.840.113556.1.4.801"
	oidNotification = "1.2.840.113556.1.4.528"
	oidExtendedDN   = "1.2.840.113556.1.4.529"
	oidTreeDelete   = "1.2.840.113556.1.4.805"
	oidPermissive   = "1.2.840.113556.1.4.1413"
	oidDomainScope  = "1.2.840.113556.1.4.1339"
	oidLazyCommit   = "1.2.840.113556.1.4.619"
)

// Extended operations the server knows.
const (
	oidStartTLS = "1.3.6.1.4.1.1466.20037"
	oidWhoAmI   = "1.3.6.1.4.1.4203.1.11.3"
)

var supportedControls = []string{oidPaged, oidDirSync, oidShowDeleted, oidShowRecycled, oidSDFlags, oidNotification, oidExtendedDN, oidTreeDelete, oidPermissive, oidDomainScope, oidLazyCommit}

// options are the decoded controls of a request.
type options struct {
	paged       *pagedControl
	dirSync     *dirSyncControl
	deleted     bool
	sdFlags     int64 // -1 without the control
	notify      bool
	extendedDN  int64 // -1 without the control; 0 hexadecimal, 1 text
	tree        bool
	permissive  bool
	domainScope bool
}

type pagedControl struct {
	size     int64
	cookie   string
	critical bool
}

type dirSyncControl struct {
	flags, maxBytes int64
	cookie          string
}

// decodeControls refuses critical controls that the server does not know.
func decodeControls(list []control) (o options, err *Error) {
	o.sdFlags, o.extendedDN = -1, -1
	for _, c := range list {
		bad := refuse(ResultProtocolError, "00000057: LdapErr: comment: Error processing control %s", quote(c.oid))
		var in ber.Cursor
		if c.hasValue && c.value != "" && slices.Contains(supportedControls, c.oid) {
			outer := ber.NewCursor([]byte(c.value))
			var e error
			if in, e = outer.Into(ber.Sequence); e != nil {
				return o, bad
			}
		}
		var e error
		switch c.oid {
		case oidPaged:
			p := &pagedControl{critical: c.critical}
			if p.size, e = in.Int(ber.Integer); e == nil {
				p.cookie, e = in.Str(ber.OctetString)
			}
			if p.size < 0 {
				return o, bad
			}
			o.paged = p
		case oidDirSync:
			ds := &dirSyncControl{}
			if ds.flags, e = in.Int(ber.Integer); e == nil {
				if ds.maxBytes, e = in.Int(ber.Integer); e == nil {
					ds.cookie, e = in.Str(ber.OctetString)
				}
			}
			o.dirSync = ds
		case oidSDFlags:
			o.sdFlags = 15
			if !in.Empty() {
				o.sdFlags, e = in.Int(ber.Integer)
			}
		case oidExtendedDN:
			o.extendedDN = 0
			if !in.Empty() {
				o.extendedDN, e = in.Int(ber.Integer)
			}
		case oidShowDeleted, oidShowRecycled:
			o.deleted = true
		case oidNotification:
			o.notify = true
		case oidTreeDelete:
			o.tree = true
		case oidPermissive:
			o.permissive = true
		case oidDomainScope:
			o.domainScope = true
		case oidLazyCommit:
		default:
			if c.critical {
				return o, refuse(ResultUnavailableCriticalExtension, "00000057: LdapErr: comment: Error processing control %s, data 0: not supported", quote(c.oid))
			}
		}
		if e != nil {
			return o, bad
		}
	}
	return o, nil
}

// selection is the attribute list of a search.
type selection struct {
	all  bool
	want []wanted
}

type wanted struct {
	typ    *attrType
	ranged bool
	lo, hi int // hi -1 is "*"
}

// selectAttributes reads the list (RFC 4511 section 4.5.1.8). Unknown attributes are ignored.
// The caller holds mu.
func (d *directory) selectAttributes(names []string) selection {
	s := selection{all: len(names) == 0}
	for _, name := range names {
		if name == "*" {
			s.all = true
			continue
		}
		t := d.typeOf(name)
		if t == nil || t.writeOnly {
			continue
		}
		w := wanted{typ: t}
		for _, option := range strings.Split(name, ";")[1:] {
			if r, ok := cutPrefixFold(option, "range="); ok {
				if w.lo, w.hi, ok = parseRange(r); !ok {
					continue
				}
				w.ranged = true
			}
		}
		s.want = append(s.want, w)
	}
	return s
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix) {
		return s[len(prefix):], true
	}
	return s, false
}

// parseRange reads "0-1499" or "1500-*".
func parseRange(s string) (lo, hi int, ok bool) {
	a, b, found := strings.Cut(s, "-")
	lo, ok1 := smallNumber(a)
	if b == "*" {
		return lo, -1, found && ok1
	}
	hi, ok2 := smallNumber(b)
	return lo, hi, found && ok1 && ok2 && hi >= lo
}

func smallNumber(s string) (int, bool) {
	if s == "" || len(s) > 9 {
		return 0, false
	}
	for _, c := range s {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	return atoi(s), true
}
