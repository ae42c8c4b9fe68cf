package entra_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/entra"
	"go.internal/hybridkit/ldapsync/entra/entratest"
)

// computer is a computer of the tests: n makes its objectGUID and SID.
func computer(n byte, attrs ...ldapsync.Attr) ldapsync.Object {
	id := ldapsync.GUID{n, 2, 3, 4, 5, 6, 7, 8}
	sid, _ := ldapsync.ParseSID(fmt.Sprintf("S-1-5-21-1-2-3-%d", 1000+int(n)))
	name := fmt.Sprintf("PC-%03d", n)
	return ldapsync.NewObject(id, ldapsync.MustParseDN("CN="+name+",OU=PCs,DC=ashdown,DC=example"), ldapsync.Device,
		append([]ldapsync.Attr{ldapsync.Values("cn", name), ldapsync.Values("objectSid", sid.Raw()), ldapsync.Values("userAccountControl", "4096")}, attrs...)...)
}

func issues(m entra.DeviceMatch) (out []string) {
	for _, i := range m.Issues {
		out = append(out, i.ID)
	}
	return out
}

func TestMatchDevices(t *testing.T) {
	server := entratest.New(entratest.Config{PageSize: 4})
	device := func(n byte, o entratest.Object) {
		c := computer(n)
		all := entratest.Object{"displayName": fmt.Sprintf("PC-%03d", n), "deviceId": c.ID.String(), "trustType": "ServerAd", "profileType": "RegisteredDevice",
			"onPremisesSyncEnabled": true, "onPremisesSecurityIdentifier": fmt.Sprintf("S-1-5-21-1-2-3-%d", 1000+int(n)), "approximateLastSignInDateTime": "2026-11-19T08:00:00Z"}
		for k, v := range o {
			all[k] = v
		}
		server.AddDevice(all)
	}
	device(1, nil)
	device(2, entratest.Object{"profileType": nil, "approximateLastSignInDateTime": nil})
	device(3, entratest.Object{"accountEnabled": false, "approximateLastSignInDateTime": "2026-01-01T00:00:00Z"})
	device(4, nil)
	server.AddDevice(entratest.Object{"displayName": "pc-004", "trustType": "Workplace", "profileType": "RegisteredDevice"})
	device(5, nil)
	server.AddDevice(entratest.Object{"displayName": "PC-005", "trustType": "AzureAd", "profileType": "RegisteredDevice"})
	device(6, entratest.Object{"trustType": "AzureAd"})
	device(9, entratest.Object{"onPremisesSecurityIdentifier": "S-1-5-21-9-9-9-1009"})
	device(8, nil) // no computer

	var devices []entra.Device
	for d, err := range client(t, server.Transport()).Devices(t.Context(), false) {
		require.NoError(t, err)
		devices = append(devices, d)
	}
	require.Len(t, devices, 10)
	computers := []ldapsync.Object{computer(1), computer(2), computer(3), computer(4), computer(5), computer(6), computer(7), computer(9).With("userAccountControl", "4098")}
	got := entra.MatchDevices(computers, devices, entra.DeviceRules{Now: time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)})
	want := []struct {
		name   string
		state  entra.DeviceState
		issues []string
	}{
		{"PC-001", entra.DeviceRegistered, nil},
		{"PC-002", entra.DevicePending, []string{entra.IssueCertificate}},
		{"PC-003", entra.DeviceRegistered, []string{entra.IssueDisabled, entra.IssueStale}},
		{"PC-004", entra.DeviceRegistered, []string{entra.IssueDual}},
		{"PC-005", entra.DeviceRegistered, []string{entra.IssueDuplicate}},
		{"PC-006", entra.DeviceOther, []string{entra.IssueCertificate}},
		{"PC-007", entra.DeviceMissing, []string{entra.IssueCertificate}},
		{"PC-008", entra.DeviceOrphan, nil},
		{"PC-009", entra.DeviceRegistered, []string{entra.IssueADDisabled, entra.IssueSID}},
	}
	require.Len(t, got, len(want))
	for i, w := range want {
		require.Equal(t, w.name, got[i].Name)
		require.Equal(t, w.state, got[i].State, w.name)
		require.Equal(t, w.issues, issues(got[i]), w.name)
	}
	// Another rule for pending, and no clock: nothing is guessed.
	got = entra.MatchDevices(computers[:2], devices, entra.DeviceRules{Pending: func(*entra.Device) bool { return true }})
	require.Equal(t, entra.DevicePending, got[0].State)
	require.Empty(t, got[0].Issues)
}

// TestDeviceAttributes: extensionAttributes of devices are written even where the device is synchronised, and all
// other mappings of devices are found by deviceId.
func TestDeviceAttributes(t *testing.T) {
	server := entratest.New(entratest.Config{})
	id := server.AddDevice(entratest.Object{"trustType": "ServerAd", "onPremisesSyncEnabled": true, "extensionAttributes": map[string]any{"extensionAttribute2": "old"}})
	g := target(t, server.Transport())
	write(t, g, ldapsync.Device, id, "extensionAttribute1", nil, []string{"Ward 3"}, "extensionAttribute2", []string{"old"}, nil)
	d, _ := server.Device(id)
	ext := d["extensionAttributes"].(map[string]any)
	require.Equal(t, "Ward 3", ext["extensionAttribute1"])
	require.Nil(t, ext["extensionAttribute2"])
	guid, err := ldapsync.ParseGUID(id)
	require.NoError(t, err)
	o, err := g.Get(t.Context(), guid, []string{"deviceId", "extensionAttribute1", "trustType"})
	require.NoError(t, err)
	require.Equal(t, ldapsync.Device, o.Class)
	require.Equal(t, []string{"Ward 3"}, o.All("extensionAttribute1"))
	// A Target that has never seen the device finds it too.
	o, err = target(t, server.Transport()).Get(t.Context(), guid, []string{"extensionAttribute1"})
	require.NoError(t, err)
	require.Equal(t, ldapsync.Device, o.Class)
}

func TestDecodeDevice(t *testing.T) {
	d, err := entra.DecodeDevice([]byte(`{"id":"0174f793-0bb5-4e97-9b7f-f6198260a8a8","deviceId":"1174f793-0bb5-4e97-9b7f-f6198260a8a8","alternativeSecurityIds":[{}],
		"registrationDateTime":"2026-11-20T10:00:00Z","accountEnabled":null,"extensionAttributes":{"extensionAttribute15":"x","extensionAttribute16":"y","extensionAttribute1":null}}`))
	require.NoError(t, err)
	require.Equal(t, 1, d.Keys)
	require.Nil(t, d.Enabled)
	require.Equal(t, "x", d.Extension[14])
	for _, bad := range []string{``, `[]`, `{}`, `{"id":"0174f793-0bb5-4e97-9b7f-f6198260a8a8","deviceId":"x"}`,
		`{"id":"0174f793-0bb5-4e97-9b7f-f6198260a8a8","deviceId":"1174f793-0bb5-4e97-9b7f-f6198260a8a8","onPremisesSecurityIdentifier":"S-1"}`} {
		_, err := entra.DecodeDevice([]byte(bad))
		require.Error(t, err, bad)
	}
}

// TestExtensions: declared, checked, mapped by the friendly name, set and cleared.
func TestExtensions(t *testing.T) {
	server := entratest.New(entratest.Config{})
	server.AddApplication(entratest.Object{"appId": app, "displayName": "Ashdown Sync"})
	c := client(t, server.Transport())
	want := []entra.Extension{{Name: "costCentre", AppID: app, Users: true}, {Name: "shift", AppID: app, Kind: entra.Integer, Users: true, Devices: true}, {Name: "photo", AppID: app, Kind: entra.Binary, Users: true}}
	findings, err := c.CheckExtensions(t.Context(), want)
	require.NoError(t, err)
	require.Len(t, findings, 3)
	done, err := c.DeclareExtensions(t.Context(), quick(), want)
	require.NoError(t, err)
	require.Len(t, done, 3)
	done, err = c.DeclareExtensions(t.Context(), nil, want)
	require.NoError(t, err)
	require.Empty(t, done, "declared twice is declared once")
	have, err := c.Extensions(t.Context(), app)
	require.NoError(t, err)
	require.Equal(t, []entra.Extension{want[0], want[2], want[1]}, have)

	wrong := []entra.Extension{{Name: "shift", AppID: app, Users: true}}
	_, err = c.DeclareExtensions(t.Context(), nil, wrong)
	require.ErrorContains(t, err, "it holds integer, not text")
	_, err = c.CheckExtensions(t.Context(), []entra.Extension{{Name: "x", AppID: "9b0f6c4e-3d55-4f0b-9d2c-7a1e9c0b5f21", Users: true}})
	require.ErrorIs(t, err, ldapsync.ErrNotFound)

	g := target(t, server.Transport(), func(c *entra.Config) { c.Extensions = have })
	id := server.AddUser(entratest.Object{"onPremisesSyncEnabled": true})
	write(t, g, ldapsync.User, id, "costcentre", nil, []string{"4711"}, "shift", nil, []string{"3"}, "photo", nil, []string{"\x00\xff"})
	u, _ := server.User(id)
	require.Equal(t, "4711", u["extension_8b0f6c4e3d554f0b9d2c7a1e9c0b5f21_costCentre"])
	write(t, g, ldapsync.User, id, "costCentre", []string{"4711"}, nil, "shift", []string{"3"}, []string{"4"}, "photo", []string{"\x00\xff"}, nil)
	u, _ = server.User(id)
	require.Nil(t, u["extension_8b0f6c4e3d554f0b9d2c7a1e9c0b5f21_costCentre"])

	for name, x := range map[string][]entra.Extension{
		"own name":  {{Name: "department", AppID: app, Users: true}},
		"two":       {{Name: "a", AppID: app, Users: true}, {Name: "a", AppID: "9b0f6c4e-3d55-4f0b-9d2c-7a1e9c0b5f21", Users: true}},
		"bad name":  {{Name: "a b", AppID: app, Users: true}},
		"bad appId": {{Name: "a", AppID: "x", Users: true}},
		"nothing":   {{Name: "a", AppID: app}},
	} {
		_, err := entra.New(entra.Config{Client: c, Extensions: x})
		require.Error(t, err, name)
	}
}
