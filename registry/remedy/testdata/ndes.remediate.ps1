# NDES server: templates, MSCEP, HTTP.sys, SCHANNEL and connector
# Afterwards: Restart the server: NDES, HTTP.sys and SCHANNEL read these values when they start, and restarting IIS is said not to be enough.
$ErrorActionPreference = 'Stop'
# A row without a kind says that the value must not exist.
$rows = @(
    @{ Root = 'LocalMachine'; Key = 'SOFTWARE\Microsoft\Cryptography\MSCEP'; Name = 'SignatureTemplate'; Kind = 'String'; Value = 'AshdownDevice'; Same = '-ieq' },
    @{ Root = 'LocalMachine'; Key = 'SOFTWARE\Microsoft\Cryptography\MSCEP'; Name = 'EncryptionTemplate'; Kind = 'String'; Value = 'AshdownDevice'; Same = '-ieq' },
    @{ Root = 'LocalMachine'; Key = 'SOFTWARE\Microsoft\Cryptography\MSCEP'; Name = 'GeneralPurposeTemplate'; Kind = 'String'; Value = 'AshdownDevice'; Same = '-ieq' },
    @{ Root = 'LocalMachine'; Key = 'SYSTEM\CurrentControlSet\Services\HTTP\Parameters'; Name = 'MaxFieldLength'; Kind = 'DWord'; Value = [int32]65534; Same = '-ceq' },
    @{ Root = 'LocalMachine'; Key = 'SYSTEM\CurrentControlSet\Services\HTTP\Parameters'; Name = 'MaxRequestBytes'; Kind = 'DWord'; Value = [int32]65534; Same = '-ceq' },
    @{ Root = 'LocalMachine'; Key = 'SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL'; Name = 'SendTrustedIssuerList'; Kind = 'DWord'; Value = [int32]0; Same = '-ceq' },
    @{ Root = 'LocalMachine'; Key = 'SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL'; Name = 'ClientAuthTrustMode'; Kind = 'DWord'; Value = [int32]2; Same = '-ceq' }
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

$failed = 0
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
