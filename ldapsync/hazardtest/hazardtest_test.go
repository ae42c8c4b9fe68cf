package hazardtest_test

import (
	"testing"

	"go.internal/hybridkit/ldapsync/changes"
	"go.internal/hybridkit/ldapsync/hazardtest"
)

func TestAdtest(t *testing.T) {
	for name, k := range map[string]kind{
		"everything read": {},
		"to LDAP":         {ldapTarget: true},
		"DirSync":         {changes: changes.DirSyncObjectSecurity},
		"USN":             {changes: changes.USN},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hazardtest.Run(t, func(*testing.T) *hazardtest.Fixture { return onAdtest(k) }, nil)
		})
	}
}

func TestSamba(t *testing.T) {
	for name, k := range map[string]kind{"everything read": {}, "DirSync": {changes: changes.DirSyncObjectSecurity}} {
		t.Run(name, func(t *testing.T) {
			hazardtest.Run(t, func(t *testing.T) *hazardtest.Fixture { return onSamba(t, k) }, map[string]string{
				"killed-anywhere":    "takes minutes, and is about the engine; adtest shows it",
				"state-half-written": "takes minutes, and is about the engine; adtest shows it",
			})
		})
	}
}
