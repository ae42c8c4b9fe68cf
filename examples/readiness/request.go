package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"go.internal/hybridkit/comgmt"
	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/adpreflight"
	"go.internal/hybridkit/scepclient/intune"
)

// A request says what there is to look at. What is left out is not looked at, and the report says so. File names are
// relative to the request.
type request struct {
	Organisation string               `json:"organisation"`
	Answers      adpreflight.Answers  `json:"answers"`
	Service      *adpreflight.Service `json:"service"` // absent: the operations guide's own

	Directory    *directory    `json:"directory"`
	Network      network       `json:"network"`
	Policy       *policy       `json:"policy"`
	NDES         *ndesServer   `json:"ndes"`
	Profiles     *profiles     `json:"profiles"`
	CoManagement *coManagement `json:"coManagement"`
}

// A directory is the edge domain controller and what is synchronised from it.
type directory struct {
	URL          string            `json:"url"`  // ldaps://edge.ashdown.example; ldap:// uses StartTLS
	User         string            `json:"user"` // name@domain, DOMAIN\name or a DN
	PasswordFile string            `json:"passwordFile"`
	CAFile       string            `json:"caFile"`     // PEM; the system's authorities if absent
	ServerName   string            `json:"serverName"` // in the certificate; the URL's host if absent
	Name         string            `json:"name"`       // the domain controller that was agreed
	Address      string            `json:"address"`    // its IP address
	Invocation   ldapsync.GUID     `json:"invocation"` // invocationId of its database, as an earlier report has it
	FSMO         map[string]string `json:"fsmo"`       // role to the agreed holder
	Subject      []string          `json:"subject"`    // SIDs of the account that will read; absent: User
	Users        *scope            `json:"users"`
	Devices      *scope            `json:"devices"`
	UPNSuffixes  []string          `json:"upnSuffixes"` // verified in the tenant
}

// A scope is a synchronised organisational unit.
type scope struct {
	OU         string   `json:"ou"`
	Attributes []string `json:"attributes"` // that the mapping reads; absent: those of the built-in mapping
}

// A network says from where connections are tried.
type network struct {
	Vantage        adpreflight.Vantage `json:"vantage"` // organisation, service or elsewhere
	TimeoutSeconds float64             `json:"timeoutSeconds"`
}

// A policy says where Group Policy is.
type policy struct {
	SYSVOL string   `json:"sysvol"` // folder
	Links  string   `json:"links"`  // LDIF or JSON; absent: read from the directory
	OUs    []string `json:"ous"`    // absent: that of the devices
}

// A ndesServer is an NDES server: what it has in its registry, and where it answers.
type ndesServer struct {
	Export   string   `json:"export"`   // of its registry, in any format regcheck reads
	Template string   `json:"template"` // of the certificates
	URL      string   `json:"url"`
	Intune   bool     `json:"intune"` // the Intune policy module is installed
	Names    []string `json:"names"`  // that the TLS certificate must hold as well
	CAFile   string   `json:"caFile"` // PEM, for TLS; the system's authorities if absent
}

// profiles are exports of Intune's certificate profiles.
type profiles struct {
	Files         []string         `json:"files"`
	Join          intune.JoinState `json:"join"` // how the devices are joined: hybrid, entra, …
	StrongMapping bool             `json:"strongMapping"`
}

// coManagement is what comgmt.Preflight looks at.
type coManagement struct {
	Domains               []string        `json:"domains"`   // UPN suffixes whose DNS records are looked up
	DNSServer             string          `json:"dnsServer"` // host:port; absent: DNS is not asked
	Automatic             bool            `json:"automatic"` // devices enrol by themselves
	DiscoveryURL          *string         `json:"discoveryUrl"`
	TermsURL              *string         `json:"termsUrl"`
	ComplianceURL         *string         `json:"complianceUrl"`
	Scope                 comgmt.MDMScope `json:"mdmUserScope"`
	ConnectionPointOnline comgmt.Tri      `json:"connectionPointOnline"`
	AuthorityIntune       comgmt.Tri      `json:"authorityIntune"`
	UsesCMG               bool            `json:"usesCMG"`
	AutoRegister          comgmt.Tri      `json:"autoRegister"`
	UseCMG                comgmt.Tri      `json:"useCMG"`
	CloudDistribution     comgmt.Tri      `json:"cloudDistribution"`
	InternetUserPolicy    comgmt.Tri      `json:"internetUserPolicy"`
}

const maxRequest = 1 << 20

// readRequest reads a request. Unknown members are refused: a misspelt one would leave something unexamined.
func readRequest(r io.Reader) (*request, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxRequest+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxRequest {
		return nil, fmt.Errorf("a request has at most %d bytes", maxRequest)
	}
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	if len(bytes.TrimSpace(b)) == 0 {
		return nil, errors.New("the request is empty; readiness request prints one to start from")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	var q request
	err = d.Decode(&q)
	offset := d.InputOffset()
	if err == nil {
		if _, more := d.Token(); more != io.EOF {
			err = errors.New("there is more after the request")
		}
	}
	if err != nil {
		var syntax *json.SyntaxError
		var kind *json.UnmarshalTypeError
		switch {
		case errors.As(err, &syntax):
			offset = syntax.Offset
		case errors.As(err, &kind):
			offset = kind.Offset
		case errors.Is(err, io.ErrUnexpectedEOF):
			offset = int64(len(b))
		}
		line := 1 + bytes.Count(b[:min(int(offset), len(b))], []byte("\n"))
		return nil, fmt.Errorf("line %d: %w", line, err)
	}
	return &q, nil
}

// service is the other end: as the request says, or the guide's own.
func (q *request) service() adpreflight.Service {
	if q.Service != nil {
		return *q.Service
	}
	return adpreflight.OperationsGuide()
}
