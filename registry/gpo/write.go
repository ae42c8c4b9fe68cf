package gpo

import (
	"bytes"
	"crypto/sha1"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/gpp"
	"go.internal/hybridkit/registry/regpol"
)

// Client-side extensions and the editors that belong to them. A client ignores a GPO's files unless the attributes
// gPCMachineExtensionNames and gPCUserExtensionNames name the extension.
const (
	registryCSE     = "{35378EAC-683F-11D2-A89A-00C04FBBCFA2}"
	computerEditor  = "{D02B1F72-3407-48AE-BA88-E8213C6761F1}"
	userEditor      = "{D02B1F73-3407-48AE-BA88-E8213C6761F1}"
	securityCSE     = "{827D319E-6EAC-11D2-A4EA-00C04F79F83A}"
	preferencesCSE  = "{B087BE9D-ED37-454F-AF9C-04291E351182}"
	preferencesTool = "{BEE07A6A-EC9F-4659-B8C9-0B1937907C83}"
	noCSE           = "{00000000-0000-0000-0000-000000000000}"
)

// Content is a registry GPO to be written. Name and one of Computer and User are required.
type Content struct {
	Name    string
	ID      string // "{GUID}"; "" derives one from Name, so that the same GPO has the same id in every run
	Domain  string // DNS name, such as "ashdown.example"; required for a Backup
	Comment string

	Computer registry.Delta
	User     registry.Delta

	// Preferences writes preference items, which is how Microsoft's documentation deploys the values of a targeted
	// hybrid join, instead of a Registry.pol. Both leave values behind when the GPO goes unless they lie in a policy
	// key or, for preferences, Remove is set.
	Preferences bool
	Filters     []gpp.Filter // item-level targeting of all items; only with Preferences
	Remove      bool         // items go away with the GPO; only with Preferences

	// Backup writes the folder that Backup-GPO makes, for Import-GPO and "Import Settings" of GPMC. Without it, the
	// folder is what lies in SYSVOL, together with an LDIF file of the attributes the directory object needs.
	Backup  bool
	Changed time.Time // time of items and backup; the zero Time is 2000-01-01, so that output does not vary
}

// A File is one file of a GPO folder; Name uses slashes.
type File struct {
	Name string
	Data []byte
}

// Attributes are what the directory object of a GPO must say for clients to apply the files.
type Attributes struct {
	MachineExtensionNames string // gPCMachineExtensionNames
	UserExtensionNames    string // gPCUserExtensionNames
	VersionNumber         uint32 // versionNumber, the same as in GPT.INI: user half in the upper 16 bits
}

// ErrContent is wrapped by the errors of Files for Content that is incomplete.
var ErrContent = errors.New("gpo: content is not complete")

func (c Content) id() string {
	if c.ID != "" {
		return foldID(c.ID)
	}
	return guid("gpo", c.Domain, c.Name)
}

func (c Content) changed() time.Time {
	if c.Changed.IsZero() {
		return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	return c.Changed.UTC()
}

// guid returns a version 5 UUID over parts, in braces.
func guid(parts ...string) string {
	b := sha1.Sum([]byte(strings.ToLower(strings.Join(parts, "\x00"))))
	b[6], b[8] = b[6]&0x0F|0x50, b[8]&0x3F|0x80
	return fmt.Sprintf("{%X-%X-%X-%X-%X}", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// Attributes returns what the directory object needs. Extensions are sorted by GUID, as clients expect.
func (c Content) Attributes() (a Attributes) {
	names := func(editor string) string {
		if c.Preferences {
			return "[" + noCSE + preferencesTool + "][" + preferencesCSE + preferencesTool + "]"
		}
		return "[" + registryCSE + editor + "]"
	}
	if len(c.Computer) > 0 {
		a.MachineExtensionNames = names(computerEditor)
		a.VersionNumber |= 1
	}
	if len(c.User) > 0 {
		a.UserExtensionNames = names(userEditor)
		a.VersionNumber |= 1 << 16
	}
	return a
}

// Files returns the files of the GPO, the same for the same Content. What the chosen form cannot hold is left out
// and reported as *registry.LossError beside the files; any other error comes without files.
func (c Content) Files() ([]File, error) {
	switch {
	case c.Name == "" || strings.ContainsAny(c.Name, "\x00\r\n"):
		return nil, fmt.Errorf("%w: name %q", ErrContent, c.Name)
	case len(c.Computer)+len(c.User) == 0:
		return nil, fmt.Errorf("%w: no settings", ErrContent)
	case c.ID != "" && !isGUID(strings.Trim(foldID(c.ID), "{}")):
		return nil, fmt.Errorf("%w: id %.60q is no GUID", ErrContent, c.ID)
	case c.Backup && c.Domain == "":
		return nil, fmt.Errorf("%w: a backup needs the name of a domain", ErrContent)
	case strings.ContainsAny(c.Domain, "\x00\r\n,="):
		return nil, fmt.Errorf("%w: domain %q is no DNS name", ErrContent, c.Domain)
	case !c.Preferences && (len(c.Filters) > 0 || c.Remove):
		return nil, fmt.Errorf("%w: targeting and removal exist for preferences only", ErrContent)
	}
	var files []File
	var losses []error
	for _, half := range []struct {
		name  string
		hive  registry.Hive
		delta registry.Delta
	}{{"Machine", registry.LocalMachine, c.Computer}, {"User", registry.CurrentUser, c.User}} {
		if len(half.delta) == 0 {
			continue
		}
		var b bytes.Buffer
		name := half.name + "/Registry.pol"
		var err error
		if c.Preferences {
			name = half.name + "/Preferences/Registry/Registry.xml"
			err = gpp.Encoder{Changed: c.changed(), Filters: c.Filters, Remove: c.Remove}.Encode(&b, slices.Values(half.delta))
		} else {
			err = regpol.Encoder{Hive: half.hive}.Encode(&b, slices.Values(half.delta))
		}
		if _, ok := errors.AsType[*registry.LossError](err); err != nil && !ok {
			return nil, err
		}
		losses = append(losses, err)
		files = append(files, File{name, b.Bytes()})
	}
	if c.Backup {
		files = c.backup(files)
	} else {
		files = c.sysvol(files)
	}
	return files, errors.Join(losses...)
}

// sysvol puts files into the folder of the GPO and adds what else belongs there.
func (c Content) sysvol(files []File) []File {
	a, id := c.Attributes(), c.id()
	out := []File{{id + "/GPT.INI", fmt.Appendf(nil, "[General]\r\nVersion=%d\r\n", a.VersionNumber)}}
	if c.Comment != "" {
		out = append(out, File{id + "/GPO.cmt", registry.AppendUTF16(nil, c.Comment)})
	}
	for _, f := range files {
		out = append(out, File{id + "/" + f.Name, f.Data})
	}
	return append(out, File{id + ".ldif", []byte(c.ldif(a, id))})
}

// ldif returns a change record that makes clients apply the files: without these attributes they ignore them.
func (c Content) ldif(a Attributes, id string) string {
	dn := "CN=" + id + ",CN=Policies,CN=System"
	for label := range strings.SplitSeq(c.Domain, ".") {
		if label != "" {
			dn += ",DC=" + label
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# Apply after the folder %s is in SYSVOL and its GPO object exists.\nversion: 1\ndn: %s\nchangetype: modify\n", id, dn)
	fmt.Fprintf(&b, "replace: versionNumber\nversionNumber: %d\n-\n", a.VersionNumber)
	for _, x := range []struct{ name, value string }{{"gPCMachineExtensionNames", a.MachineExtensionNames}, {"gPCUserExtensionNames", a.UserExtensionNames}} {
		if x.value != "" {
			fmt.Fprintf(&b, "replace: %s\n%s: %s\n-\n", x.name, x.name, x.value)
		}
	}
	return b.String()
}

// BackupID returns the id of the backup that Files writes, the name of its folder and the argument of Import-GPO
// -BackupId.
func (c Content) BackupID() string { return guid("backup", c.Domain, c.Name, c.id()) }

// backup puts files into a backup. Its form is that of backups made by GPMC: an XML description of the files
// (Backup.xml), one of the backup (bkupInfo.xml), and the list of all backups in the folder (manifest.xml).
func (c Content) backup(files []File) []File {
	const manifest = "http://www.microsoft.com/GroupPolicy/GPOOperations/Manifest"
	id := c.BackupID()
	inst := "<GPOGuid>" + cdata(c.id()) + "</GPOGuid><GPODomain>" + cdata(c.Domain) + "</GPODomain><GPODomainGuid>" + cdata(guid("domain", c.Domain)) +
		"</GPODomainGuid><GPODomainController>" + cdata(c.Domain) + "</GPODomainController><BackupTime>" + cdata(c.changed().Format("2006-01-02T15:04:05")) +
		"</BackupTime><ID>" + cdata(id) + "</ID><Comment>" + cdata(c.Comment) + "</Comment><GPODisplayName>" + cdata(c.Name) + "</GPODisplayName>"
	out := []File{
		{"manifest.xml", []byte("\xEF\xBB\xBF<Backups xmlns=\"" + manifest + "\" xmlns:mfst=\"" + manifest + "\" mfst:version=\"1.0\"><BackupInst>" + inst + "</BackupInst></Backups>")},
		{id + "/bkupInfo.xml", []byte("<BackupInst xmlns=\"" + manifest + "\">" + inst + "</BackupInst>")},
		{id + "/Backup.xml", []byte(c.description(files))},
	}
	for _, f := range files {
		out = append(out, File{id + "/DomainSysvol/GPO/" + f.Name, f.Data})
	}
	return out
}

// description returns the text of Backup.xml.
func (c Content) description(files []File) string {
	const ops = "http://www.microsoft.com/GroupPolicy/GPOOperations"
	a := c.Attributes()
	version := func(n uint32) string { return cdata(fmt.Sprint(n<<16 | n)) } // directory and SYSVOL
	var b strings.Builder
	b.WriteString("<?xml version=\"1.0\" encoding=\"utf-8\"?><GroupPolicyBackupScheme bkp:version=\"2.0\" bkp:type=\"GroupPolicyBackupTemplate\" xmlns:bkp=\"" + ops + "\" xmlns=\"" + ops + "\">\r\n")
	b.WriteString("  <GroupPolicyObject><SecurityGroups/><FilePaths/><GroupPolicyCoreSettings><ID>" + cdata(c.id()) + "</ID><Domain>" + cdata(c.Domain) + "</Domain>")
	b.WriteString("<SecurityDescriptor>" + fmt.Sprintf("% x", defaultDescriptor()) + "</SecurityDescriptor><DisplayName>" + cdata(c.Name) + "</DisplayName><Options>" + cdata("0") + "</Options>")
	b.WriteString("<UserVersionNumber>" + version(a.VersionNumber>>16) + "</UserVersionNumber><MachineVersionNumber>" + version(a.VersionNumber&0xFFFF) + "</MachineVersionNumber>")
	b.WriteString(optional("MachineExtensionGuids", a.MachineExtensionNames) + optional("UserExtensionGuids", a.UserExtensionNames) + "<WMIFilter/></GroupPolicyCoreSettings>\r\n")
	extension, text := registryCSE, "Registry"
	if c.Preferences {
		extension, text = "{F15C46CD-82A0-4C2D-A210-5D0D3182A418}", "Unknown Extension" // what GPMC calls extensions it copies as files
	}
	fmt.Fprintf(&b, "  <GroupPolicyExtension bkp:ID=\"%s\" bkp:DescName=\"%s\">\r\n", extension, text)
	object := func(kind, name string) {
		half, rest, _ := strings.Cut(name, "/")
		variable := map[string]string{"Machine": "%GPO_MACH_FSPATH%", "User": "%GPO_USER_FSPATH%"}[half]
		back := strings.ReplaceAll(rest, "/", `\`)
		fmt.Fprintf(&b, "    <%s bkp:Path=\"%s\\%s\" bkp:SourceExpandedPath=\"%s\" bkp:Location=\"%s\"/>\r\n", kind, variable, back,
			escape(`\\`+c.Domain+`\sysvol\`+c.Domain+`\Policies\`+c.id()+`\`+half+`\`+back), `DomainSysvol\GPO\`+half+`\`+back)
	}
	for _, f := range files {
		if c.Preferences {
			object("FSObjectDir", path.Dir(path.Dir(f.Name)))
			object("FSObjectDir", path.Dir(f.Name))
		}
		object("FSObjectFile", f.Name)
	}
	b.WriteString("  </GroupPolicyExtension></GroupPolicyObject>\r\n</GroupPolicyBackupScheme>\r\n")
	return b.String()
}

func optional(name, value string) string {
	if value == "" {
		return "<" + name + "/>"
	}
	return "<" + name + ">" + cdata(value) + "</" + name + ">"
}

// cdata wraps s as GPMC does; the end mark inside s is split over two sections, and what XML cannot hold becomes U+FFFD.
func cdata(s string) string {
	return "<![CDATA[" + strings.ReplaceAll(clean(s), "]]>", "]]]]><![CDATA[>") + "]]>"
}

func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(clean(s))
}

func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
			return 0xFFFD
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// defaultDescriptor returns the part of a new GPO's permissions that matters here: Authenticated Users read and
// apply. Import takes the settings of a backup, not its permissions; Restore takes both.
func defaultDescriptor() []byte {
	authenticated := []byte{1, 1, 0, 0, 0, 0, 0, 5, 11, 0, 0, 0}
	read := append([]byte{0, 2, 20, 0, 0x94, 0, 2, 0}, authenticated...)
	apply := append([]byte{5, 2, 40, 0, 0, 1, 0, 0, 1, 0, 0, 0}, applyGroupPolicy...)
	apply = append(apply, authenticated...)
	acl := []byte{4, 0, byte(8 + len(read) + len(apply)), 0, 2, 0, 0, 0}
	head := make([]byte, 20)
	head[0], head[2], head[3], head[16] = 1, 4, 0x80, 20
	return slices.Concat(head, acl, read, apply)
}

// Write writes the files of c below dir and returns their names. It overwrites nothing: if a file exists already,
// the error wraps fs.ErrExist and files written before it stay. An error of losses comes after all is written.
func Write(dir string, c Content) ([]string, error) {
	files, losses := c.Files()
	if files == nil {
		return nil, losses
	}
	var names []string
	for _, f := range files {
		name := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return names, fmt.Errorf("gpo: %w", err)
		}
		if err := create(name, f.Data); err != nil {
			return names, fmt.Errorf("gpo: %w", err)
		}
		names = append(names, f.Name)
	}
	return names, losses
}

func create(name string, data []byte) (err error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fs.FileMode(0o644))
	if err != nil {
		return err
	}
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
	}()
	_, err = f.Write(data)
	return err
}
