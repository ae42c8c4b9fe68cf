package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"go.internal/hybridkit/ldapsync"
)

// maxInput bounds files that are read whole.
const maxInput = 64 << 20

// An entraDevice is what is used of a device of Microsoft Graph, v1.0 or beta.
type entraDevice struct {
	ID         string    `json:"id"`
	DeviceID   string    `json:"deviceId"`
	Name       string    `json:"displayName"`
	TrustType  string    `json:"trustType"` // ServerAd: hybrid joined
	Enabled    *bool     `json:"accountEnabled"`
	Created    time.Time `json:"createdDateTime"`
	Registered time.Time `json:"registrationDateTime"` // zero while the device is pending
	SignIn     time.Time `json:"approximateLastSignInDateTime"`
	Deleted    time.Time `json:"deletedDateTime"` // in directory/deletedItems
}

func (d *entraDevice) name() string {
	if d.Name == "" {
		return d.DeviceID
	}
	return d.Name + " (" + d.DeviceID + ")"
}

// readEntra reads a device, an array of devices, or a page of Graph with "value". More pages are refused:
// a device on a page that was not given would look like one that is not there.
func readEntra(r io.Reader) ([]entraDevice, error) {
	b, err := readAll(r)
	if err != nil {
		return nil, err
	}
	var page struct {
		Value *[]entraDevice `json:"value"`
		Next  string         `json:"@odata.nextLink"`
		Error *struct {
			Code string `json:"code"`
		} `json:"error"`
		entraDevice
	}
	if bytes.HasPrefix(b, []byte("[")) {
		var list []entraDevice
		if err := json.Unmarshal(b, &list); err != nil {
			return nil, place(b, err)
		}
		return list, nil
	}
	if err := json.Unmarshal(b, &page); err != nil {
		return nil, place(b, err)
	}
	switch {
	case page.Error != nil:
		return nil, fmt.Errorf("an answer of Graph with the error %q, no devices", page.Error.Code)
	case page.Next != "":
		return nil, errors.New("a page of a longer list (@odata.nextLink): give all pages, or ask for the device alone")
	case page.Value != nil:
		return *page.Value, nil
	case page.DeviceID == "":
		return nil, errors.New("neither a device (deviceId) nor a list of them (value)")
	}
	return []entraDevice{page.entraDevice}, nil
}

// place adds the line to an error of encoding/json.
func place(b []byte, err error) error {
	offset := int64(-1)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		offset = syntax.Offset
	} else if typ, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		offset = typ.Offset
	}
	if offset < 0 {
		return err
	}
	return fmt.Errorf("line %d: %w", 1+bytes.Count(b[:min(int(offset), len(b))], []byte("\n")), err)
}

func readAll(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxInput+1))
	switch {
	case err != nil:
		return nil, err
	case len(b) > maxInput:
		return nil, fmt.Errorf("longer than %d MB", maxInput>>20)
	}
	b = bytes.TrimSpace(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")))
	if len(b) == 0 {
		return nil, errors.New("empty")
	}
	return b, nil
}

// An scp is a service connection point for device registration in the directory.
type scp struct {
	dn     ldapsync.DN
	tenant string // azureADId
}

func readSCP(o ldapsync.Object) (scp, bool) {
	s, found := scp{dn: o.DN}, false
	for _, k := range o.All("keywords") {
		name, value, ok := strings.Cut(k, ":")
		if ok && strings.EqualFold(name, "azureADId") {
			s.tenant, found = strings.TrimSpace(value), true
		}
	}
	return s, found
}
