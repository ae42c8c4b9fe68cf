package remedy

import (
	"encoding/hex"
	"fmt"
	"strings"

	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/regquery"
)

// A Pair is a detection and a remediation script for Intune (Remediations) or Configuration Manager. Detection exits 1 if
// something differs, else 0; remediation makes the changes and exits 1 if one failed. Both work in the
// 64-bit registry whatever host runs them, need no modules and run with Windows PowerShell 5.1. Lines end in CRLF and all
// text outside of comments is ASCII or escaped, so that the encoding of the file does not matter.
type Pair struct {
	Detect    string
	Remediate string
}

// PowerShell returns the scripts that give a machine the wanted values of s. The error joins a *registry.LossError per value that
// scripts cannot hold: roots other than HKLM and HKCU, and types .NET does not write.
func PowerShell(s registry.Schema) (Pair, error) {
	return scripts(s, s.Desired())
}

// PowerShellRemoval returns the scripts that take the values of s away again, see [registry.Schema.Remove].
func PowerShellRemoval(s registry.Schema) (Pair, error) {
	return scripts(s, s.Remove())
}

func scripts(s registry.Schema, d registry.Delta) (Pair, error) {
	var losses registry.Losses
	var rows strings.Builder
	n := 0
	for _, e := range d {
		row, why := row(e, ignoresCase(s, e))
		if why != "" {
			losses.Add("powershell", e, why)
			continue
		}
		if n++; n > 1 {
			rows.WriteString(",\n")
		}
		rows.WriteString("    " + row)
	}
	head := "# " + comment(s.Title) + "\n"
	for _, note := range []string{s.AfterChange, s.AfterRemoval} {
		if note != "" && (note == s.AfterRemoval) == removal(d) {
			head += "# Afterwards: " + comment(note) + "\n"
		}
	}
	body := strings.Replace(common, "ROWS", rows.String(), 1)
	crlf := strings.NewReplacer("\n", "\r\n")
	return Pair{crlf.Replace(head + body + detect), crlf.Replace(head + body + remediate)}, losses.Err()
}

func removal(d registry.Delta) bool {
	for _, e := range d {
		if e.Op == registry.Set {
			return false
		}
	}
	return true
}

func comment(s string) string { return strings.NewReplacer("\r", " ", "\n", " ").Replace(s) }

// ignoresCase reports whether the data of e is compared without case.
func ignoresCase(s registry.Schema, e registry.Entry) bool {
	for _, set := range s.Settings {
		if set.Path.Equal(e.Path) && registry.EqualFold(set.Name, e.Name) {
			return set.Content != registry.AnyText
		}
	}
	return false
}

// row is one element of the table in the scripts.
func row(e registry.Entry, ignoreCase bool) (text, why string) {
	root := ""
	switch e.Path.Hive {
	case registry.LocalMachine:
		root = "LocalMachine"
	case registry.CurrentUser:
		root = "CurrentUser"
	default:
		return "", "a script for a device can only reach HKLM and HKCU"
	}
	kind, value := "", "$null"
	switch e.Op {
	case registry.DeleteValue:
	case registry.Set:
		if kind, value = literal(e.Value); kind == "" {
			return "", "PowerShell cannot write " + e.Value.Type.String() + " with this data"
		}
	default:
		return "", "not a matter of one value"
	}
	same := "-ceq"
	if ignoreCase {
		same = "-ieq"
	}
	return fmt.Sprintf("@{ Root = '%s'; Key = %s; Name = %s; Kind = '%s'; Value = %s; Same = '%s' }",
		root, quote(e.Path.Key), quote(e.Name), kind, value, same), ""
}

// literal returns the RegistryValueKind of v and its value in PowerShell.
func literal(v registry.Value) (kind, value string) {
	switch v.Type {
	case registry.TypeSZ, registry.TypeExpandSZ:
		s, err := v.Text()
		if err != nil {
			return "", ""
		}
		kind = "String"
		if v.Type == registry.TypeExpandSZ {
			kind = "ExpandString"
		}
		return kind, quote(s)
	case registry.TypeMultiSZ:
		list, err := v.List()
		if err != nil {
			return "", ""
		}
		var q []string
		for _, s := range list {
			q = append(q, quote(s))
		}
		return "MultiString", "[string[]]@(" + strings.Join(q, ", ") + ")"
	case registry.TypeDWord:
		n, err := v.Uint()
		if err != nil {
			return "", ""
		}
		return "DWord", fmt.Sprintf("[int32]%d", int32(uint32(n)))
	case registry.TypeQWord:
		n, err := v.Uint()
		if err != nil {
			return "", ""
		}
		if int64(n) == -1<<63 { // the literal would overflow before the minus applies
			return "QWord", "[int64]::MinValue"
		}
		return "QWord", fmt.Sprintf("[int64]%d", int64(n))
	case registry.TypeBinary:
		var b strings.Builder
		for i, c := range v.Data {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString("0x" + hex.EncodeToString([]byte{c}))
		}
		return "Binary", "[byte[]]@(" + b.String() + ")"
	}
	return "", ""
}

// quote returns s as a PowerShell expression of ASCII characters.
func quote(s string) string {
	ascii := true
	for _, r := range s {
		if r < ' ' || r > '~' {
			ascii = false
		}
	}
	if ascii {
		return regquery.Quote(s)
	}
	units := registry.AppendUTF16(nil, s)
	var b strings.Builder
	b.WriteString("(-join [char[]]@(")
	for i := 0; i < len(units); i += 2 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "0x%02x%02x", units[i+1], units[i])
	}
	b.WriteString("))")
	return b.String()
}

const common = `$ErrorActionPreference = 'Stop'
# A row without a kind says that the value must not exist.
$rows = @(
ROWS
)

function Open-Base($root) { [Microsoft.Win32.RegistryKey]::OpenBaseKey($root, 'Registry64') }

function Test-Row($row) {
    $key = (Open-Base $row.Root).OpenSubKey($row.Key)
    if (-not $key) { return ($row.Kind -eq '') }
    try {
        $there = @($key.GetValueNames()) -contains $row.Name
        if ($row.Kind -eq '') { return (-not $there) }
        if (-not $there -or $key.GetValueKind($row.Name).ToString() -ne $row.Kind) { return $false }
        $have = $key.GetValue($row.Name, $null, 'DoNotExpandEnvironmentNames')
        $a = @($have) -join [char]0
        $b = @($row.Value) -join [char]0
        if ($row.Same -eq '-ieq') { return ($a -ieq $b) }
        return ($a -ceq $b)
    } finally { $key.Close() }
}

function Show-Row($row) { '{0}\{1}\{2}' -f $row.Root, $row.Key, $row.Name }

`

const detect = `$wrong = @($rows | Where-Object { -not (Test-Row $_) } | ForEach-Object { Show-Row $_ })
if ($wrong.Count -gt 0) {
    Write-Output ('Drift: ' + ($wrong -join '; '))
    exit 1
}
Write-Output 'No drift'
exit 0
`

const remediate = `$failed = 0
foreach ($row in $rows) {
    if (Test-Row $row) { continue }
    try {
        if ($row.Kind -eq '') {
            $key = (Open-Base $row.Root).OpenSubKey($row.Key, $true)
            if ($key) { $key.DeleteValue($row.Name, $false); $key.Close() }
        } else {
            $key = (Open-Base $row.Root).CreateSubKey($row.Key)
            $key.SetValue($row.Name, $row.Value, $row.Kind)
            $key.Close()
        }
        Write-Output ('Changed: ' + (Show-Row $row))
    } catch {
        $failed++
        Write-Output ('Failed: ' + (Show-Row $row) + ': ' + $_)
    }
}
if ($failed -gt 0) { exit 1 }
exit 0
`
