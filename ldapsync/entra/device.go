package entra

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"strings"
	"time"

	"go.internal/hybridkit/ldapsync"
)

// A TrustType is how a device is joined (Microsoft, "device resource type", trustType).
type TrustType string

const (
	ServerAD  TrustType = "ServerAd"  // hybrid-joined: to Active Directory and to Entra ID
	AzureAD   TrustType = "AzureAd"   // joined to Entra ID only
	Workplace TrustType = "Workplace" // registered: somebody's own device, or a leftover from before it was joined
)

// A Device is a device of Entra ID. Times are zero where Graph has none, flags nil where it says neither.
type Device struct {
	ID       ldapsync.GUID // object id
	DeviceID ldapsync.GUID // objectGUID of the computer in Active Directory, for a hybrid-joined one
	Name     string
	Trust    TrustType
	Profile  string // profileType, "RegisteredDevice" once registration is complete

	Enabled, Synced, Compliant, Managed *bool

	SID        ldapsync.SID // onPremisesSecurityIdentifier
	OS         string
	OSVersion  string
	Registered time.Time // registrationDateTime
	SeenAt     time.Time // approximateLastSignInDateTime; days late by design
	SyncedAt   time.Time // onPremisesLastSyncDateTime
	Keys       int       // of alternativeSecurityIds: what the device can authenticate with
	Extension  [15]string
}

// Pending reports whether the device was synchronised from Active Directory and has not completed its registration, so
// that it cannot authenticate: trustType is ServerAd and profileType is not RegisteredDevice. What tells a pending
// device apart is from memory, without a document, and was not compared with the service; DeviceRules.Pending
// replaces it.
func (d *Device) Pending() bool { return d.Trust == ServerAD && d.Profile != "RegisteredDevice" }

const deviceSelect = "id,deviceId,displayName,trustType,profileType,accountEnabled,onPremisesSyncEnabled,isCompliant,isManaged,onPremisesSecurityIdentifier," +
	"operatingSystem,operatingSystemVersion,registrationDateTime,approximateLastSignInDateTime,onPremisesLastSyncDateTime,alternativeSecurityIds"

// Devices lists all devices of the tenant (Device.Read.All). extensionAttributes of devices are documented for v1.0
// but not in its schema; they are asked for only if extensions is set.
func (c *Client) Devices(ctx context.Context, extensions bool) iter.Seq2[Device, error] {
	fields := deviceSelect
	if extensions {
		fields += ",extensionAttributes"
	}
	return func(yield func(Device, error) bool) {
		for raw, err := range c.Pages(ctx, "/devices"+Query("$top", "999", "$select", fields), nil) {
			if err != nil {
				yield(Device{}, err)
				return
			}
			d, err := DecodeDevice(raw)
			if !yield(d, err) || err != nil {
				return
			}
		}
	}
}

// DecodeDevice reads a device from Graph's JSON, v1.0 or beta.
func DecodeDevice(raw []byte) (Device, error) {
	var w struct {
		ID            string             `json:"id"`
		DeviceID      string             `json:"deviceId"`
		Name          string             `json:"displayName"`
		Trust         TrustType          `json:"trustType"`
		Profile       string             `json:"profileType"`
		Enabled       *bool              `json:"accountEnabled"`
		Synced        *bool              `json:"onPremisesSyncEnabled"`
		Compliant     *bool              `json:"isCompliant"`
		Managed       *bool              `json:"isManaged"`
		SID           string             `json:"onPremisesSecurityIdentifier"`
		OS            string             `json:"operatingSystem"`
		OSVersion     string             `json:"operatingSystemVersion"`
		Registered    *time.Time         `json:"registrationDateTime"`
		SeenAt        *time.Time         `json:"approximateLastSignInDateTime"`
		SyncedAt      *time.Time         `json:"onPremisesLastSyncDateTime"`
		AltSecurity   []json.RawMessage  `json:"alternativeSecurityIds"`
		ExtAttributes map[string]*string `json:"extensionAttributes"`
	}
	if err := json.Unmarshal(raw, &w); err != nil {
		return Device{}, fmt.Errorf("entra: device: %w", err)
	}
	d := Device{Name: w.Name, Trust: w.Trust, Profile: w.Profile, Enabled: w.Enabled, Synced: w.Synced, Compliant: w.Compliant, Managed: w.Managed,
		OS: w.OS, OSVersion: w.OSVersion, Keys: len(w.AltSecurity)}
	var err error
	if d.ID, err = ldapsync.ParseGUID(w.ID); err != nil {
		return Device{}, fmt.Errorf("entra: device with the id %q: %w", w.ID, err)
	}
	if d.DeviceID, err = ldapsync.ParseGUID(w.DeviceID); err != nil {
		return Device{}, fmt.Errorf("entra: device %s: deviceId %q: %w", w.ID, w.DeviceID, err)
	}
	if w.SID != "" {
		if d.SID, err = ldapsync.ParseSID(w.SID); err != nil {
			return Device{}, fmt.Errorf("entra: device %s: onPremisesSecurityIdentifier: %w", w.ID, err)
		}
	}
	for to, from := range map[*time.Time]*time.Time{&d.Registered: w.Registered, &d.SeenAt: w.SeenAt, &d.SyncedAt: w.SyncedAt} {
		if from != nil {
			*to = from.UTC()
		}
	}
	for name, v := range w.ExtAttributes {
		var n int
		if _, err := fmt.Sscanf(strings.ToLower(name), "extensionattribute%d", &n); err == nil && n >= 1 && n <= 15 && v != nil {
			d.Extension[n-1] = *v
		}
	}
	return d, nil
}
