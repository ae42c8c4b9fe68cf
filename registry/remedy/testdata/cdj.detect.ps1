# Client-side service connection point (CDJ\AAD) for Microsoft Entra hybrid join
# Afterwards: The device reads the values at the next run of the task Automatic-Device-Join: at logon or within the hour. With AD FS the same policy must reach the AD FS servers.
$ErrorActionPreference = 'Stop'
# A row without a kind says that the value must not exist.
$rows = @(
    @{ Root = 'LocalMachine'; Key = 'SOFTWARE\Microsoft\Windows\CurrentVersion\CDJ\AAD'; Name = 'TenantId'; Kind = 'String'; Value = '4d5f6e7a-0b1c-4d2e-8f30-415263748596'; Same = '-ieq' },
    @{ Root = 'LocalMachine'; Key = 'SOFTWARE\Microsoft\Windows\CurrentVersion\CDJ\AAD'; Name = 'TenantName'; Kind = 'String'; Value = 'ashdown.example'; Same = '-ieq' }
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

$wrong = @($rows | Where-Object { -not (Test-Row $_) } | ForEach-Object { Show-Row $_ })
if ($wrong.Count -gt 0) {
    Write-Output ('Drift: ' + ($wrong -join '; '))
    exit 1
}
Write-Output 'No drift'
exit 0
