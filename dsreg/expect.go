package dsreg

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// A Trust is the trust type of Windows Hello for Business.
type Trust string

// Trust types. The zero Trust expects none, so rows about it stay silent.
const (
	TrustCloudKerberos Trust = "cloud-kerberos"
	TrustCertificate   Trust = "certificate"
	TrustKey           Trust = "key"
)

// DefaultSyncPatience is how long a synchronised join may wait for its device
// object: deployments report one to three hours for existing devices.
const DefaultSyncPatience = 3 * time.Hour

// An Expectation is what the caller wants of the device. The zero Expectation
// wants nothing: then only what is broken by itself is reported.
type Expectation struct {
	// TenantID is the tenant the device shall be joined to: the value TenantId
	// of the client-side registration key CDJ\AAD. A GUID in any spelling ParseUUID reads.
	TenantID string
	// TenantName is the verified domain in CDJ\AAD TenantName. It is used in texts only.
	TenantName string
	// Join is the wanted state; Undetermined wants none in particular.
	Join JoinState
	// Trust is the Windows Hello for Business trust that is deployed.
	Trust Trust
	// Hello says whether Windows Hello for Business is wanted.
	Hello Tri
	// SyncPatience is how long the device object may take to arrive; 0 means DefaultSyncPatience.
	SyncPatience time.Duration
	// Since is when the device could first have registered, for example when it
	// received CDJ\AAD. With it a pending join is overdue SyncPatience later.
	Since time.Time
	// At is the time of the capture, or of reading it. It is used where the
	// capture prints no clock. The package never asks the system's clock.
	At time.Time
	// Unsynchronised are accounts that do not exist in Microsoft Entra ID on
	// purpose: local or on-premises administrators. UPN or user name, without regard to case.
	Unsynchronised []string
}

type expectationJSON struct {
	TenantID       string    `json:"tenantId,omitempty"`
	TenantName     string    `json:"tenantName,omitempty"`
	Join           string    `json:"join,omitempty"`
	Trust          string    `json:"trust,omitempty"`
	Hello          *bool     `json:"hello,omitempty"`
	SyncPatience   string    `json:"syncPatience,omitempty"`
	Since          time.Time `json:"since,omitzero"`
	At             time.Time `json:"at,omitzero"`
	Unsynchronised []string  `json:"unsynchronised,omitempty"`
}

// ParseWant reads a wanted join state: a name of JoinState, or the short forms
// hybrid, entra, domain, registered, drs and none.
func ParseWant(s string) (JoinState, error) {
	switch strings.ToLower(s) {
	case "hybrid":
		return HybridJoined, nil
	case "entra":
		return EntraJoined, nil
	case "domain":
		return DomainJoined, nil
	case "drs":
		return DRSJoined, nil
	case "none":
		return NotJoined, nil
	}
	j, err := ParseJoinState(s)
	if err == nil && (j == Contradictory || j == Undetermined) {
		return 0, fmt.Errorf("dsreg: %q cannot be wanted", s)
	}
	return j, err
}

// MarshalJSON writes the expectation; durations are text ("3h0m0s").
func (e Expectation) MarshalJSON() ([]byte, error) {
	j := expectationJSON{TenantID: e.TenantID, TenantName: e.TenantName, Trust: string(e.Trust), Since: e.Since, At: e.At, Unsynchronised: e.Unsynchronised}
	if e.Join != Undetermined {
		j.Join = e.Join.String()
	}
	if e.Hello != Maybe {
		yes := e.Hello == Yes
		j.Hello = &yes
	}
	if e.SyncPatience != 0 {
		j.SyncPatience = e.SyncPatience.String()
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads an expectation. Members it does not know, a tenant id
// that is no GUID and a negative patience are errors: a typing error must not
// turn a check off.
func (e *Expectation) UnmarshalJSON(b []byte) error {
	var j expectationJSON
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&j); err != nil {
		return fmt.Errorf("dsreg: expectation: %w", err)
	}
	n := Expectation{TenantID: j.TenantID, TenantName: j.TenantName, Trust: Trust(j.Trust), Since: j.Since, At: j.At, Unsynchronised: j.Unsynchronised}
	if j.TenantID != "" {
		if _, err := ParseUUID(j.TenantID); err != nil {
			return fmt.Errorf("dsreg: expectation: tenantId: %w", err)
		}
	}
	switch n.Trust {
	case "", TrustCloudKerberos, TrustCertificate, TrustKey:
	default:
		return fmt.Errorf("dsreg: expectation: trust: no trust type %q", clip(j.Trust, 40))
	}
	if j.Join != "" {
		var err error
		if n.Join, err = ParseWant(j.Join); err != nil {
			return fmt.Errorf("dsreg: expectation: join: %w", err)
		}
	}
	if j.Hello != nil {
		n.Hello = No
		if *j.Hello {
			n.Hello = Yes
		}
	}
	if j.SyncPatience != "" {
		d, err := time.ParseDuration(j.SyncPatience)
		if err != nil || d <= 0 {
			return fmt.Errorf("dsreg: expectation: syncPatience: %q is not a positive duration such as 3h", clip(j.SyncPatience, 40))
		}
		n.SyncPatience = d
	}
	*e = n
	return nil
}

func (e *Expectation) patience() time.Duration {
	if e.SyncPatience > 0 {
		return e.SyncPatience
	}
	return DefaultSyncPatience
}

// unsynchronised reports an account that is not in the cloud on purpose.
func (e *Expectation) unsynchronised(upn string) bool {
	user, _, _ := strings.Cut(upn, "@")
	for _, a := range e.Unsynchronised {
		if strings.EqualFold(a, upn) || strings.EqualFold(a, user) {
			return true
		}
	}
	return false
}
