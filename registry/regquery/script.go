package regquery

import (
	"strings"

	"go.internal/hybridkit/registry"
)

// Script returns a PowerShell script that prints the given keys with everything below them as JSON lines that DecodeJSON
// reads with their types. It opens the 64-bit view whatever host it runs in, expands no variables, skips
// keys that do not exist, and works with Windows PowerShell 5.1. Data that does not fit its type is lost, because .NET
// does not show it. Keys of other roots than HKLM, HKCU and HKU are left out.
//
//	regcheck script -schema ndes > collect.ps1
//	powershell -ExecutionPolicy Bypass -File collect.ps1 | regcheck check -schema ndes -
func Script(keys []registry.Path) string {
	var list strings.Builder
	for _, k := range keys {
		root := ""
		switch k.Hive {
		case registry.LocalMachine:
			root = "LocalMachine"
		case registry.CurrentUser:
			root = "CurrentUser"
		case registry.Users:
			root = "Users"
		default:
			continue
		}
		list.WriteString("    @('" + root + "', " + Quote(k.Key) + ")\r\n")
	}
	return strings.ReplaceAll(strings.ReplaceAll(collect, "\n", "\r\n"), "KEYS\r\n", list.String())
}

// Quote returns s as a PowerShell string literal without substitution. All characters that PowerShell takes for a single quote
// are doubled, and line breaks stay, which single quotes allow.
func Quote(s string) string {
	var b strings.Builder
	b.WriteByte('\'')
	for _, r := range s {
		switch r {
		case '\'', '\u2018', '\u2019', '\u201A', '\u201B':
			b.WriteRune(r)
		}
		b.WriteRune(r)
	}
	b.WriteByte('\'')
	return b.String()
}

const collect = `$ErrorActionPreference = 'Stop'
[Console]::OutputEncoding = New-Object System.Text.UTF8Encoding $false
$keys = @(
KEYS
)

function Get-Bytes($key, $name) {
    $kind = $key.GetValueKind($name)
    $value = $key.GetValue($name, $null, 'DoNotExpandEnvironmentNames')
    $utf16 = [System.Text.Encoding]::Unicode
    switch ($kind) {
        'String'       { return 'REG_SZ', $utf16.GetBytes($value + [char]0) }
        'ExpandString' { return 'REG_EXPAND_SZ', $utf16.GetBytes($value + [char]0) }
        'MultiString'  { return 'REG_MULTI_SZ', $utf16.GetBytes((($value | ForEach-Object { $_ + [char]0 }) -join '') + [char]0) }
        'DWord'        { return 'REG_DWORD', [BitConverter]::GetBytes([int32]$value) }
        'QWord'        { return 'REG_QWORD', [BitConverter]::GetBytes([int64]$value) }
        'Binary'       { return 'REG_BINARY', [byte[]]$value }
        default        { return 'REG_NONE', [byte[]]$value }
    }
}

function Write-Key($key) {
    $path = $key.Name
    [pscustomobject]@{ path = $path } | ConvertTo-Json -Compress
    foreach ($name in $key.GetValueNames()) {
        $type, $bytes = Get-Bytes $key $name
        $hex = ([BitConverter]::ToString([byte[]]@($bytes))) -replace '-', ''
        [pscustomobject]@{ path = $path; name = $name; type = $type; data = $hex } | ConvertTo-Json -Compress
    }
    foreach ($sub in $key.GetSubKeyNames()) {
        try { $child = $key.OpenSubKey($sub) } catch { [Console]::Error.WriteLine("$path\${sub}: $_"); continue }
        if ($child) { Write-Key $child; $child.Close() }
    }
}

foreach ($entry in $keys) {
    $base = [Microsoft.Win32.RegistryKey]::OpenBaseKey($entry[0], 'Registry64')
    $key = $base.OpenSubKey($entry[1])
    if ($key) { Write-Key $key; $key.Close() }
}
`
