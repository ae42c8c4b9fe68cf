# Client-side service connection point (CDJ\AAD) for Microsoft Entra hybrid join
# Afterwards: A device that has joined stays joined: run dsregcmd /debug /leave on it and disable the task Automatic-Device-Join, or it joins again through the service connection point of Active Directory.
$ErrorActionPreference = 'Stop'
# A row without a kind says that the value must not exist.
$rows = @(
    @{ Root = 'LocalMachine'; Key = 'SOFTWARE\Microsoft\Windows\CurrentVersion\CDJ\AAD'; Name = 'TenantId'; Kind = ''; Value = $null; Same = '-ieq' },
    @{ Root = 'LocalMachine'; Key = 'SOFTWARE\Microsoft\Windows\CurrentVersion\CDJ\AAD'; Name = 'TenantName'; Kind = ''; Value = $null; Same = '-ieq' }
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
