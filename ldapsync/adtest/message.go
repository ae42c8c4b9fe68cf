package adtest

import (
	"fmt"

	"go.internal/hybridkit/ldapsync/adtest/internal/ber"
)

// Tags of protocolOp (RFC 4511 section 4.2 and on).
const (
	tagBindRequest      = 0x60
	tagBindResponse     = 0x61
	tagUnbindRequest    = 0x42
	tagSearchRequest    = 0x63
	tagSearchEntry      = 0x64
	tagSearchDone       = 0x65
	tagSearchReference  = 0x73
	tagModifyRequest    = 0x66
	tagModifyResponse   = 0x67
	tagAddRequest       = 0x68
	tagAddResponse      = 0x69
	tagDeleteRequest    = 0x4a
	tagDeleteResponse   = 0x6b
	tagModifyDNRequest  = 0x6c
	tagModifyDNResponse = 0x6d
	tagCompareRequest   = 0x6e
	tagCompareResponse  = 0x6f
	tagAbandonRequest   = 0x50
	tagExtendedRequest  = 0x77
	tagExtendedResponse = 0x78
	tagControls         = 0xa0
)

// Bounds of a request beyond the size of the message.
const (
	maxMessage    = 10 << 20 // MaxReceiveBuffer of the default query policy
	maxControls   = 32
	maxAttributes = 4096
)

// A message is one decoded request.
type message struct {
	id       int64
	op       byte
	body     any
	controls []control
}

type control struct {
	oid      string
	critical bool
	value    string
	hasValue bool
}

type bindRequest struct {
	version  int64
	name     string
	simple   bool
	password string
	sasl     string
}

type searchRequest struct {
	base       string
	scope      Scope
	deref      int64
	sizeLimit  int64
	timeLimit  int64
	typesOnly  bool
	filter     *filter
	attributes []string
}

type modifyRequest struct {
	dn      string
	changes []Change
}

type addRequest struct {
	dn    string
	attrs []Change
}

type modifyDNRequest struct {
	dn, newRDN  string
	deleteOld   bool
	newSuperior string
	hasSuperior bool
}

type compareRequest struct{ dn, attr, value string }

type extendedRequest struct{ name, value string }

// decodeMessage reads the content of one LDAPMessage.
func decodeMessage(b []byte) (m message, err error) {
	c := ber.NewCursor(b)
	if m.id, err = c.Int(ber.Integer); err != nil {
		return m, fmt.Errorf("message id: %w", err)
	}
	if m.id < 0 || m.id > 1<<31-1 {
		return m, fmt.Errorf("message id %d", m.id)
	}
	var content []byte
	if m.op, content, err = c.Next(); err != nil {
		return m, err
	}
	if m.body, err = decodeOp(m.op, content); err != nil {
		return m, fmt.Errorf("operation 0x%02x: %w", m.op, err)
	}
	if c.Peek() == tagControls {
		in, err := c.Into(tagControls)
		if err != nil {
			return m, err
		}
		for !in.Empty() {
			if len(m.controls) == maxControls {
				return m, fmt.Errorf("more than %d controls", maxControls)
			}
			ctl, err := decodeControl(&in)
			if err != nil {
				return m, fmt.Errorf("control: %w", err)
			}
			m.controls = append(m.controls, ctl)
		}
	}
	return m, nil
}

func decodeControl(c *ber.Cursor) (ctl control, err error) {
	in, err := c.Into(ber.Sequence)
	if err != nil {
		return ctl, err
	}
	if ctl.oid, err = in.Str(ber.OctetString); err != nil {
		return ctl, err
	}
	if in.Peek() == ber.Boolean {
		if ctl.critical, err = in.Bool(ber.Boolean); err != nil {
			return ctl, err
		}
	}
	if !in.Empty() {
		ctl.hasValue = true
		ctl.value, err = in.Str(ber.OctetString)
	}
	return ctl, err
}

func decodeOp(op byte, content []byte) (any, error) {
	c := ber.NewCursor(content)
	switch op {
	case tagBindRequest:
		return decodeBind(c)
	case tagUnbindRequest:
		return nil, nil
	case tagSearchRequest:
		return decodeSearch(c)
	case tagModifyRequest:
		return decodeModify(c)
	case tagAddRequest:
		dn, err := c.Str(ber.OctetString)
		if err != nil {
			return nil, err
		}
		list, err := c.Into(ber.Sequence)
		if err != nil {
			return nil, err
		}
		r := &addRequest{dn: dn}
		for !list.Empty() {
			attr, err := decodeAttribute(&list)
			if err != nil {
				return nil, err
			}
			r.attrs = append(r.attrs, attr)
		}
		return r, nil
	case tagDeleteRequest:
		return string(content), nil
	case tagModifyDNRequest:
		return decodeModifyDN(c)
	case tagCompareRequest:
		r := &compareRequest{}
		var err error
		if r.dn, err = c.Str(ber.OctetString); err != nil {
			return nil, err
		}
		ava, err := c.Into(ber.Sequence)
		if err != nil {
			return nil, err
		}
		if r.attr, err = ava.Str(ber.OctetString); err != nil {
			return nil, err
		}
		r.value, err = ava.Str(ber.OctetString)
		return r, err
	case tagAbandonRequest:
		return ber.ParseInt(content)
	case tagExtendedRequest:
		r := &extendedRequest{}
		var err error
		if r.name, err = c.Str(0x80); err != nil {
			return nil, err
		}
		if !c.Empty() {
			r.value, err = c.Str(0x81)
		}
		return r, err
	}
	return nil, fmt.Errorf("unknown")
}

func decodeBind(c ber.Cursor) (*bindRequest, error) {
	r := &bindRequest{}
	var err error
	if r.version, err = c.Int(ber.Integer); err != nil {
		return nil, err
	}
	if r.name, err = c.Str(ber.OctetString); err != nil {
		return nil, err
	}
	switch c.Peek() {
	case 0x80:
		r.simple = true
		r.password, err = c.Str(0x80)
	case 0xa3:
		in, e := c.Into(0xa3)
		if e != nil {
			return nil, e
		}
		r.sasl, err = in.Str(ber.OctetString)
	default:
		// Microsoft's Sicily choices (0x89 to 0x8b) and anything else: no method this server has.
		_, _, err = c.Next()
		r.sasl = "unknown"
	}
	return r, err
}

func decodeSearch(c ber.Cursor) (*searchRequest, error) {
	r := &searchRequest{}
	var err error
	if r.base, err = c.Str(ber.OctetString); err != nil {
		return nil, err
	}
	scope, err := c.Int(ber.Enumerated)
	if err != nil {
		return nil, err
	}
	if scope < 0 || scope > 2 {
		return nil, fmt.Errorf("scope %d", scope)
	}
	r.scope = Scope(scope)
	if r.deref, err = c.Int(ber.Enumerated); err != nil {
		return nil, err
	}
	if r.sizeLimit, err = c.Int(ber.Integer); err != nil {
		return nil, err
	}
	if r.timeLimit, err = c.Int(ber.Integer); err != nil {
		return nil, err
	}
	if r.sizeLimit < 0 || r.timeLimit < 0 {
		return nil, fmt.Errorf("negative limit")
	}
	if r.typesOnly, err = c.Bool(ber.Boolean); err != nil {
		return nil, err
	}
	if r.filter, err = decodeFilter(&c); err != nil {
		return nil, err
	}
	list, err := c.Into(ber.Sequence)
	if err != nil {
		return nil, err
	}
	for !list.Empty() {
		a, err := list.Str(ber.OctetString)
		if err != nil {
			return nil, err
		}
		if len(r.attributes) == maxAttributes {
			return nil, fmt.Errorf("more than %d attributes", maxAttributes)
		}
		r.attributes = append(r.attributes, a)
	}
	return r, nil
}

func decodeModify(c ber.Cursor) (*modifyRequest, error) {
	r := &modifyRequest{}
	var err error
	if r.dn, err = c.Str(ber.OctetString); err != nil {
		return nil, err
	}
	list, err := c.Into(ber.Sequence)
	if err != nil {
		return nil, err
	}
	for !list.Empty() {
		item, err := list.Into(ber.Sequence)
		if err != nil {
			return nil, err
		}
		op, err := item.Int(ber.Enumerated)
		if err != nil {
			return nil, err
		}
		if op < 0 || op > 255 {
			return nil, fmt.Errorf("modify operation %d", op)
		}
		ch, err := decodeAttribute(&item)
		if err != nil {
			return nil, err
		}
		ch.Op = ChangeOp(op)
		r.changes = append(r.changes, ch)
	}
	return r, nil
}

// decodeAttribute reads one Attribute or PartialAttribute.
func decodeAttribute(c *ber.Cursor) (ch Change, err error) {
	in, err := c.Into(ber.Sequence)
	if err != nil {
		return ch, err
	}
	if ch.Attr, err = in.Str(ber.OctetString); err != nil {
		return ch, err
	}
	set, err := in.Into(ber.Set)
	if err != nil {
		return ch, err
	}
	for !set.Empty() {
		v, err := set.Str(ber.OctetString)
		if err != nil {
			return ch, err
		}
		ch.Values = append(ch.Values, v)
	}
	return ch, nil
}

func decodeModifyDN(c ber.Cursor) (*modifyDNRequest, error) {
	r := &modifyDNRequest{}
	var err error
	if r.dn, err = c.Str(ber.OctetString); err != nil {
		return nil, err
	}
	if r.newRDN, err = c.Str(ber.OctetString); err != nil {
		return nil, err
	}
	if r.deleteOld, err = c.Bool(ber.Boolean); err != nil {
		return nil, err
	}
	if !c.Empty() {
		r.hasSuperior = true
		if r.newSuperior, err = c.Str(0x80); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// result appends an LDAPResult as the given response, with the fields that follow it.
func appendResult(b *ber.Builder, id int64, tag byte, e *Error, extra string, controls string) {
	if e == nil {
		e = &Error{}
	}
	m := b.Begin(ber.Sequence)
	b.Int(ber.Integer, id)
	r := b.Begin(tag)
	b.Int(ber.Enumerated, int64(e.Code))
	b.Str(ber.OctetString, e.MatchedDN)
	b.Str(ber.OctetString, e.Message)
	if len(e.referrals) > 0 {
		l := b.Begin(0xa3)
		for _, u := range e.referrals {
			b.Str(ber.OctetString, u)
		}
		b.End(l)
	}
	b.Raw(extra)
	b.End(r)
	if controls != "" {
		l := b.Begin(tagControls)
		b.Raw(controls)
		b.End(l)
	}
	b.End(m)
}

// encodeControl returns one Control.
func encodeControl(oid, value string) string {
	var b ber.Builder
	m := b.Begin(ber.Sequence)
	b.Str(ber.OctetString, oid)
	b.Str(ber.OctetString, value)
	b.End(m)
	return string(b.B)
}
