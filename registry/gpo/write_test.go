package gpo_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/gpo"
	"go.internal/hybridkit/registry/gpp"
)

var cdj = registry.HKLM(`SOFTWARE\Microsoft\Windows\CurrentVersion\CDJ\AAD`)

func content() gpo.Content {
	return gpo.Content{Name: "Hybrid join <pilot> & ]]> more", Domain: "ashdown.example", Comment: "for the pilot",
		Computer: registry.Delta{
			{Op: registry.Set, Path: cdj, Name: "TenantId", Value: registry.String("0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0")},
			{Op: registry.Set, Path: cdj, Name: "TenantName", Value: registry.String("ashdown.example")}}}
}

// What Write writes, Load and Effective read.
func TestWriteAndRead(t *testing.T) {
	for _, preferences := range []bool{false, true} {
		c := content()
		c.Preferences = preferences
		c.User = registry.Delta{{Op: registry.Set, Path: registry.HKCU(`SOFTWARE\Policies\Ashdown`), Name: "n", Value: registry.DWord(1)}}
		dir := t.TempDir()
		names, err := gpo.Write(dir, c)
		require.NoError(t, err)
		id := strings.TrimSuffix(names[0], "/GPT.INI")
		links := fmt.Sprintf(`{"containers": [{"dn": "DC=ashdown,DC=example", "kind": "domain", "links": [{"gpo": %q}]}]}`, id)
		e, err := gpo.Load(os.DirFS(dir), strings.NewReader(links))
		require.NoError(t, err)
		require.EqualValues(t, 1, e.GPOs[0].Computer.Version)
		require.EqualValues(t, 1, e.GPOs[0].User.Version)
		r, err := e.Effective(gpo.Target{DN: "OU=Lab,DC=ashdown,DC=example", Site: "HQ"})
		require.NoError(t, err)
		require.Empty(t, r.Errors)
		require.Len(t, r.Values, 2)
		v, ok := r.Get(cdj, "tenantname")
		require.True(t, ok)
		require.Equal(t, registry.String("ashdown.example"), v.Value)
		require.Equal(t, preferences, v.Winner.Mechanism == gpo.Preference)
		require.True(t, v.Winner.Tattoo)
		r, err = e.Effective(gpo.Target{DN: "DC=ashdown,DC=example", Site: "HQ", User: true})
		require.NoError(t, err)
		require.Len(t, r.Values, 1)

		_, err = gpo.Write(dir, c)
		require.ErrorIs(t, err, fs.ErrExist)
	}
}

func TestAttributes(t *testing.T) {
	c := content()
	require.Equal(t, gpo.Attributes{MachineExtensionNames: "[{35378EAC-683F-11D2-A89A-00C04FBBCFA2}{D02B1F72-3407-48AE-BA88-E8213C6761F1}]", VersionNumber: 1}, c.Attributes())
	c.User, c.Computer = c.Computer, nil
	require.Equal(t, gpo.Attributes{UserExtensionNames: "[{35378EAC-683F-11D2-A89A-00C04FBBCFA2}{D02B1F73-3407-48AE-BA88-E8213C6761F1}]", VersionNumber: 65536}, c.Attributes())
	c = content()
	c.Preferences = true
	require.Equal(t, "[{00000000-0000-0000-0000-000000000000}{BEE07A6A-EC9F-4659-B8C9-0B1937907C83}][{B087BE9D-ED37-454F-AF9C-04291E351182}{BEE07A6A-EC9F-4659-B8C9-0B1937907C83}]",
		c.Attributes().MachineExtensionNames)

	files, err := content().Files()
	require.NoError(t, err)
	byName := map[string]string{}
	for _, f := range files {
		byName[f.Name] = string(f.Data)
	}
	id := strings.TrimSuffix(files[0].Name, "/GPT.INI")
	require.Equal(t, "[General]\r\nVersion=1\r\n", byName[id+"/GPT.INI"])
	require.Equal(t, "for the pilot", registry.FromUTF16([]byte(byName[id+"/GPO.cmt"])))
	require.Contains(t, byName[id+".ldif"], "dn: CN="+id+",CN=Policies,CN=System,DC=ashdown,DC=example\nchangetype: modify\nreplace: versionNumber\nversionNumber: 1\n-\nreplace: gPCMachineExtensionNames\n")
	again, err := content().Files()
	require.NoError(t, err)
	require.Equal(t, files, again)
}

func TestBackup(t *testing.T) {
	for _, preferences := range []bool{false, true} {
		c := content()
		c.Backup, c.Preferences = true, preferences
		dir := t.TempDir()
		names, err := gpo.Write(dir, c)
		require.NoError(t, err)
		for _, n := range names {
			b, err := os.ReadFile(filepath.Join(dir, n))
			require.NoError(t, err)
			if strings.HasSuffix(n, ".xml") {
				d := xml.NewDecoder(bytes.NewReader(b))
				for err == nil {
					_, err = d.Token()
				}
				require.ErrorIs(t, err, io.EOF, n)
			}
		}
		var inst struct {
			ID, GPODisplayName, BackupTime string
		}
		b, err := os.ReadFile(filepath.Join(dir, c.BackupID(), "bkupInfo.xml"))
		require.NoError(t, err)
		require.NoError(t, xml.Unmarshal(b, &inst))
		require.Equal(t, c.Name, inst.GPODisplayName)
		require.Equal(t, c.BackupID(), inst.ID)
		require.Equal(t, "2000-01-01T00:00:00", inst.BackupTime)
		// Every file that Backup.xml names is there.
		var desc struct {
			Object struct {
				Core struct {
					MachineExtensionGuids, MachineVersionNumber string
				} `xml:"GroupPolicyCoreSettings"`
				Extension struct {
					ID    string `xml:"ID,attr"`
					Files []struct {
						Location string `xml:"Location,attr"`
					} `xml:"FSObjectFile"`
					Dirs []struct {
						Location string `xml:"Location,attr"`
					} `xml:"FSObjectDir"`
				} `xml:"GroupPolicyExtension"`
			} `xml:"GroupPolicyObject"`
		}
		b, err = os.ReadFile(filepath.Join(dir, c.BackupID(), "Backup.xml"))
		require.NoError(t, err)
		require.NoError(t, xml.Unmarshal(b, &desc))
		require.Equal(t, "65537", desc.Object.Core.MachineVersionNumber)
		require.Equal(t, c.Attributes().MachineExtensionNames, desc.Object.Core.MachineExtensionGuids)
		require.Len(t, desc.Object.Extension.Files, 1)
		for _, f := range append(desc.Object.Extension.Files, desc.Object.Extension.Dirs...) {
			_, err := os.Stat(filepath.Join(dir, c.BackupID(), strings.ReplaceAll(f.Location, `\`, "/")))
			require.NoError(t, err)
		}
	}
}

// A folder of backups can be loaded like SYSVOL; it says more of the GPO than SYSVOL does.
func TestLoadBackup(t *testing.T) {
	c := content()
	c.Backup = true
	dir := t.TempDir()
	_, err := gpo.Write(dir, c)
	require.NoError(t, err)
	links := fmt.Sprintf(`{"containers": [{"dn": "DC=ashdown,DC=example", "kind": "domain", "links": [{"gpo": %q}]}]}`, c.Name)
	e, err := gpo.Load(os.DirFS(dir), strings.NewReader(links))
	require.NoError(t, err)
	require.Len(t, e.GPOs, 1)
	g := e.GPOs[0]
	require.Equal(t, c.Name, g.Name)
	require.Equal(t, c.Attributes().MachineExtensionNames, g.MachineExtensionNames)
	require.EqualValues(t, 1, g.Computer.Version)
	require.Equal(t, []gpo.Permission{{Trustee: "S-1-5-11", Read: true}, {Trustee: "S-1-5-11", Apply: true}}, g.Security)
	r, err := e.Effective(gpo.Target{DN: "DC=ashdown,DC=example", Site: "HQ"})
	require.NoError(t, err)
	require.Empty(t, r.Errors)
	require.Equal(t, []string{"nothing is known of HQ: taken to have no links and not to block inheritance"}, r.Notes)
	v, ok := r.Get(cdj, "TenantName")
	require.True(t, ok)
	require.Equal(t, registry.String("ashdown.example"), v.Value)

	require.NoError(t, os.WriteFile(filepath.Join(dir, c.BackupID(), "Backup.xml"), []byte("<x>"), 0o644))
	_, err = gpo.Load(os.DirFS(dir), strings.NewReader(links))
	require.ErrorContains(t, err, "Backup.xml")
}

func TestContentErrors(t *testing.T) {
	for name, spoil := range map[string]func(*gpo.Content){
		"name":     func(c *gpo.Content) { c.Name = "" },
		"settings": func(c *gpo.Content) { c.Computer = nil },
		"id":       func(c *gpo.Content) { c.ID = "../x" },
		"backup":   func(c *gpo.Content) { c.Backup, c.Domain = true, "" },
		"domain":   func(c *gpo.Content) { c.Domain = "a\nb" },
		"filters":  func(c *gpo.Content) { c.Filters = []gpp.Filter{{Kind: "FilterBattery"}} },
	} {
		c := content()
		spoil(&c)
		files, err := c.Files()
		require.ErrorIs(t, err, gpo.ErrContent, name)
		require.Nil(t, files)
	}
	// A value of the user does not fit a computer policy: the rest is written, and the loss is said.
	c := content()
	c.Computer = append(c.Computer, registry.Entry{Op: registry.Set, Path: registry.HKCU("x"), Name: "n", Value: registry.DWord(1)})
	files, err := c.Files()
	_, ok := errors.AsType[*registry.LossError](err)
	require.True(t, ok, "%v", err)
	require.NotEmpty(t, files)
}
