package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"go.internal/hybridkit/ldapsync"
)

// maxInput bounds a request.
const maxInput = 16 << 20

// A request says who leaves. Everything but Organisation may be left out; what is missing becomes a step
// that says so, or none.
type request struct {
	Organisation string `json:"organisation"`
	// Everything: the organisation leaves with all its users and devices, and the trust, the VPN and the edge domain
	// controller go too. Users.Objects and Devices.Objects must be empty then.
	Everything bool `json:"everything"`

	Users   objects `json:"users"`
	Devices objects `json:"devices"`

	Policy  string `json:"registrationPolicy"` // the Group Policy Object that enables registration
	Account string `json:"account"`            // DOMAIN\name of the account that synchronises
	Tenant  struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	} `json:"tenant"`
	Domain  string `json:"domain"`  // DNS name of the organisation's domain
	Partner string `json:"partner"` // DNS name of the trusted domain
	VPN     string `json:"vpn"`     // name of the connection
	EdgeDC  string `json:"edgeDC"`  // name of the domain controller that only the service used
}

// objects are users or devices and where they go.
type objects struct {
	OU      string   `json:"ou"`      // the synchronised OU
	MoveTo  string   `json:"moveTo"`  // an OU that is not synchronised
	Objects []string `json:"objects"` // DNs; none: everything in the OU
}

func (o *objects) none() bool { return o.OU == "" && len(o.Objects) == 0 }

func readRequest(r io.Reader) (*request, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxInput+1))
	switch {
	case err != nil:
		return nil, err
	case len(b) > maxInput:
		return nil, fmt.Errorf("longer than %d MB", maxInput>>20)
	case len(bytes.TrimSpace(b)) == 0:
		return nil, errors.New("empty")
	}
	d := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))))
	d.DisallowUnknownFields()
	q := new(request)
	if err := d.Decode(q); err != nil {
		return nil, fmt.Errorf("line %d: %w", 1+bytes.Count(b[:min(int(d.InputOffset()), len(b))], []byte("\n")), err)
	}
	if d.More() {
		return nil, errors.New("more than one JSON document")
	}
	return q, q.check()
}

// check reports everything that is wrong with the request.
func (q *request) check() error {
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if q.Organisation == "" {
		add("organisation is missing")
	}
	if q.Users.none() && q.Devices.none() {
		add("neither users nor devices leave: give users.ou or devices.ou")
	}
	for _, k := range []struct {
		name string
		o    *objects
	}{{"users", &q.Users}, {"devices", &q.Devices}} {
		if k.o.none() {
			continue
		}
		if q.Everything && len(k.o.Objects) > 0 {
			add("%s.objects: with everything, all objects of the OU leave", k.name)
		}
		ou, err := ldapsync.ParseDN(k.o.OU)
		if err != nil || ou.IsRoot() {
			add("%s.ou: %q is no distinguished name of an OU", k.name, k.o.OU)
			continue
		}
		to, err := ldapsync.ParseDN(k.o.MoveTo)
		switch {
		case err != nil || to.IsRoot():
			add("%s.moveTo: %q is no distinguished name of an OU", k.name, k.o.MoveTo)
		case to.Equal(ou):
			add("%s.moveTo is the synchronised OU itself", k.name)
		}
		for i, o := range k.o.Objects {
			dn, err := ldapsync.ParseDN(o)
			if err != nil || dn.IsRoot() {
				add("%s.objects[%d]: %q is no distinguished name", k.name, i, o)
			} else if !dn.IsChildOf(ou) {
				add("%s.objects[%d]: %q is not in %s", k.name, i, o, k.o.OU)
			}
		}
	}
	return errors.Join(errs...)
}
