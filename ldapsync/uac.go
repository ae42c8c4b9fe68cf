package ldapsync

import (
	"fmt"
	"strconv"
	"strings"
)

// UserAccountControl holds the bits of the userAccountControl attribute ([MS-ADA3] userAccountControl).
// Bits without a name are kept.
type UserAccountControl uint32

// The bits of userAccountControl.
const (
	UACScript                   UserAccountControl = 0x1
	UACAccountDisable           UserAccountControl = 0x2
	UACHomedirRequired          UserAccountControl = 0x8
	UACLockout                  UserAccountControl = 0x10
	UACPasswdNotReqd            UserAccountControl = 0x20
	UACPasswdCantChange         UserAccountControl = 0x40
	UACEncryptedTextPwdAllowed  UserAccountControl = 0x80
	UACTempDuplicateAccount     UserAccountControl = 0x100
	UACNormalAccount            UserAccountControl = 0x200
	UACInterdomainTrustAccount  UserAccountControl = 0x800
	UACWorkstationTrustAccount  UserAccountControl = 0x1000
	UACServerTrustAccount       UserAccountControl = 0x2000
	UACDontExpirePassword       UserAccountControl = 0x10000
	UACMNSLogonAccount          UserAccountControl = 0x20000
	UACSmartcardRequired        UserAccountControl = 0x40000
	UACTrustedForDelegation     UserAccountControl = 0x80000
	UACNotDelegated             UserAccountControl = 0x100000
	UACUseDESKeyOnly            UserAccountControl = 0x200000
	UACDontReqPreauth           UserAccountControl = 0x400000
	UACPasswordExpired          UserAccountControl = 0x800000
	UACTrustedToAuthForDelegate UserAccountControl = 0x1000000
)

var uacNames = [...]struct {
	bit  UserAccountControl
	name string
}{
	{UACScript, "SCRIPT"}, {UACAccountDisable, "ACCOUNTDISABLE"}, {UACHomedirRequired, "HOMEDIR_REQUIRED"},
	{UACLockout, "LOCKOUT"}, {UACPasswdNotReqd, "PASSWD_NOTREQD"}, {UACPasswdCantChange, "PASSWD_CANT_CHANGE"},
	{UACEncryptedTextPwdAllowed, "ENCRYPTED_TEXT_PASSWORD_ALLOWED"}, {UACTempDuplicateAccount, "TEMP_DUPLICATE_ACCOUNT"},
	{UACNormalAccount, "NORMAL_ACCOUNT"}, {UACInterdomainTrustAccount, "INTERDOMAIN_TRUST_ACCOUNT"},
	{UACWorkstationTrustAccount, "WORKSTATION_TRUST_ACCOUNT"}, {UACServerTrustAccount, "SERVER_TRUST_ACCOUNT"},
	{UACDontExpirePassword, "DONT_EXPIRE_PASSWD"}, {UACMNSLogonAccount, "MNS_LOGON_ACCOUNT"},
	{UACSmartcardRequired, "SMARTCARD_REQUIRED"}, {UACTrustedForDelegation, "TRUSTED_FOR_DELEGATION"},
	{UACNotDelegated, "NOT_DELEGATED"}, {UACUseDESKeyOnly, "USE_DES_KEY_ONLY"}, {UACDontReqPreauth, "DONT_REQUIRE_PREAUTH"},
	{UACPasswordExpired, "PASSWORD_EXPIRED"}, {UACTrustedToAuthForDelegate, "TRUSTED_TO_AUTHENTICATE_FOR_DELEGATION"},
}

// ParseUserAccountControl reads the decimal value; negative values, as a signed 32-bit LDAP INTEGER prints
// them, are accepted.
func ParseUserAccountControl(s string) (UserAccountControl, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < -1<<31 || n > 1<<32-1 {
		return 0, fmt.Errorf("ldapsync: %q is not a userAccountControl value (a decimal 32-bit number)", clip(s))
	}
	return UserAccountControl(uint32(n)), nil
}

// Enabled reports whether the account is enabled: bit 0x2 is clear.
func (u UserAccountControl) Enabled() bool { return u&UACAccountDisable == 0 }

// String names the bits, for example "ACCOUNTDISABLE|NORMAL_ACCOUNT", and prints the rest in hexadecimal.
func (u UserAccountControl) String() string {
	var out []string
	for _, e := range uacNames {
		if u&e.bit != 0 {
			out = append(out, e.name)
			u &^= e.bit
		}
	}
	if u != 0 || len(out) == 0 {
		out = append(out, fmt.Sprintf("0x%X", uint32(u)))
	}
	return strings.Join(out, "|")
}
