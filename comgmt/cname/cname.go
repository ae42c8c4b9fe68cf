// Package cname looks up CNAME records by asking one DNS server (RFC 1035).
//
// The standard library cannot: net.Resolver.LookupCNAME follows a chain to its end, and Intune's enrolment hosts are
// CNAMEs themselves, so that their own name never comes out. Resolver implements comgmt.Resolver. It does
// nothing but that: no cache, no DNSSEC, no search list.
package cname

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"
)

// A Resolver asks a DNS server. Its methods may be called concurrently.
type Resolver struct {
	// Server is the address of the DNS server, with or without a port. Empty: the first nameserver of /etc/resolv.conf.
	Server string
	// Timeout bounds one question, over UDP and TCP together. 0: five seconds.
	Timeout time.Duration
	// Dial opens the connection. Nil: net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Errors of [Resolver.CNAME].
var (
	ErrNoServer  = errors.New("cname: no DNS server is known; name one")
	ErrMalformed = errors.New("cname: malformed answer")
)

// A ServerError is a refusal by the DNS server.
type ServerError struct {
	Host string
	Code int // RCODE (RFC 1035 section 4.1.1)
}

var rcodes = [...]string{"no error", "format error", "server failure", "no such name", "not implemented", "refused"}

// Error returns the host and the reason.
func (e *ServerError) Error() string {
	name := fmt.Sprintf("code %d", e.Code)
	if e.Code < len(rcodes) {
		name = rcodes[e.Code]
	}
	return "cname: " + e.Host + ": the DNS server answered: " + name
}

// CNAME returns the target of host's own CNAME record, without a final dot, and "" if there is none, whether or not the
// name exists. It asks over UDP and again over TCP if the answer was cut.
func (r *Resolver) CNAME(ctx context.Context, host string) (string, error) {
	server, err := r.server()
	if err != nil {
		return "", err
	}
	timeout := r.Timeout
	if timeout == 0 {
		timeout = 5 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var id [2]byte
	rand.Read(id[:])
	question, err := encodeQuestion(binary.BigEndian.Uint16(id[:]), host)
	if err != nil {
		return "", err
	}
	for _, network := range [...]string{"udp", "tcp"} {
		answer, err := r.exchange(ctx, network, server, question)
		if err != nil {
			return "", fmt.Errorf("cname: %s: %w", host, err)
		}
		target, cut, err := decodeAnswer(answer, question)
		if cut && network == "udp" {
			continue
		}
		if code, ok := errors.AsType[*ServerError](err); ok {
			code.Host = strings.TrimSuffix(host, ".")
		}
		return target, err
	}
	return "", ErrMalformed // not reached: TCP answers are final
}

func (r *Resolver) server() (string, error) {
	s := r.Server
	if s == "" {
		f, err := os.Open("/etc/resolv.conf")
		if err != nil {
			return "", ErrNoServer
		}
		defer f.Close()
		for sc := bufio.NewScanner(io.LimitReader(f, 1<<20)); s == "" && sc.Scan(); {
			if fields := strings.Fields(sc.Text()); len(fields) >= 2 && fields[0] == "nameserver" {
				s = fields[1]
			}
		}
		if s == "" {
			return "", ErrNoServer
		}
	}
	if _, _, err := net.SplitHostPort(s); err == nil {
		return s, nil
	}
	return net.JoinHostPort(strings.Trim(s, "[]"), "53"), nil
}

func (r *Resolver) exchange(ctx context.Context, network, server string, question []byte) ([]byte, error) {
	dial := r.Dial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	conn, err := dial(ctx, network, server)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline)
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if network == "udp" {
		if _, err := conn.Write(question); err != nil {
			return nil, err
		}
		buf := make([]byte, 4096)
		for { // datagrams with another id are not for us
			n, err := conn.Read(buf)
			if err != nil {
				return nil, err
			}
			if n >= 2 && buf[0] == question[0] && buf[1] == question[1] {
				return buf[:n], nil
			}
		}
	}
	framed := binary.BigEndian.AppendUint16(nil, uint16(len(question)))
	if _, err := conn.Write(append(framed, question...)); err != nil {
		return nil, err
	}
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return nil, err
	}
	buf := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err = io.ReadFull(conn, buf)
	return buf, err
}

const typeCNAME, classIN = 5, 1

// encodeQuestion writes a query with one question (RFC 1035 section 4.1).
func encodeQuestion(id uint16, host string) ([]byte, error) {
	host = strings.TrimSuffix(host, ".")
	q := binary.BigEndian.AppendUint16(nil, id)
	q = append(q, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0) // recursion desired, one question
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 {
			return nil, fmt.Errorf("cname: %.80q is not a DNS name", host)
		}
		q = append(q, byte(len(label)))
		q = append(q, label...)
	}
	if len(host) > 253 {
		return nil, fmt.Errorf("cname: %.80q is too long for a DNS name", host)
	}
	q = append(q, 0, 0, typeCNAME, 0, classIN)
	return q, nil
}

// decodeAnswer finds the CNAME of the question's name. cut reports a truncated answer.
func decodeAnswer(m, question []byte) (target string, cut bool, err error) {
	if len(m) < 12 || m[0] != question[0] || m[1] != question[1] || m[2]&0x80 == 0 {
		return "", false, ErrMalformed
	}
	if m[2]&2 != 0 {
		return "", true, ErrMalformed
	}
	switch code := int(m[3] & 15); code {
	case 0, 3: // "no such name" may be said of the target, with the record in the answer (RFC 6604 section 3)
	default:
		return "", false, &ServerError{Code: code}
	}
	asked, _, err := readName(question, 12)
	if err != nil {
		return "", false, err
	}
	at := 12
	for range binary.BigEndian.Uint16(m[4:]) {
		_, next, err := readName(m, at)
		if err != nil || next+4 > len(m) {
			return "", false, ErrMalformed
		}
		at = next + 4
	}
	for range binary.BigEndian.Uint16(m[6:]) {
		owner, next, err := readName(m, at)
		if err != nil || next+10 > len(m) {
			return "", false, ErrMalformed
		}
		kind, class, length := binary.BigEndian.Uint16(m[next:]), binary.BigEndian.Uint16(m[next+2:]), int(binary.BigEndian.Uint16(m[next+8:]))
		data := next + 10
		if data+length > len(m) {
			return "", false, ErrMalformed
		}
		if kind == typeCNAME && class == classIN && strings.EqualFold(owner, asked) {
			name, end, err := readName(m, data)
			if err != nil || end != data+length {
				return "", false, ErrMalformed
			}
			return name, false, nil
		}
		at = data + length
	}
	return "", false, nil
}

// readName reads a name with compression (RFC 1035 section 4.1.4). Pointers must lead backwards, so it ends.
func readName(m []byte, at int) (name string, next int, err error) {
	var b strings.Builder
	limit := at
	for {
		if at >= len(m) {
			return "", 0, ErrMalformed
		}
		n := int(m[at])
		switch {
		case n == 0:
			if next == 0 {
				next = at + 1
			}
			return b.String(), next, nil
		case n&0xC0 == 0xC0:
			if at+1 >= len(m) {
				return "", 0, ErrMalformed
			}
			to := (n&0x3F)<<8 | int(m[at+1])
			if next == 0 {
				next = at + 2
			}
			if to >= limit {
				return "", 0, ErrMalformed
			}
			at, limit = to, to
		case n&0xC0 != 0:
			return "", 0, ErrMalformed
		default:
			if at+1+n > len(m) || b.Len()+n > 254 {
				return "", 0, ErrMalformed
			}
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			for _, c := range m[at+1 : at+1+n] {
				// A label may hold any byte; those that could deceive a reader are written as RFC 1035 section 5.1 does.
				if c <= ' ' || c >= 0x7F || c == '.' || c == '\\' {
					fmt.Fprintf(&b, "\\%03d", c)
					continue
				}
				b.WriteByte(c)
			}
			at += 1 + n
		}
	}
}
