package entratest_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync/entra/entratest"
)

// TestLoad takes what one tenant answered into another, and refuses what no tenant answers.
func TestLoad(t *testing.T) {
	one := vale()
	users, devices := get(t, one, "/users?$select=id,userPrincipalName,department,proxyAddresses,onPremisesExtensionAttributes"), get(t, one, "/devices")
	two := entratest.New(entratest.Config{})
	n, err := two.Load(strings.NewReader(users.raw))
	require.NoError(t, err)
	require.Equal(t, 3, n)
	n, err = two.Load(strings.NewReader(devices.raw))
	require.NoError(t, err)
	require.Equal(t, 2, n)
	u, ok := two.User("ada@ashdown.example")
	require.True(t, ok)
	require.Equal(t, "Moat", u["department"])
	require.Len(t, two.Devices(), 2)
	require.NotContains(t, two.Devices()[0], "@odata.type")
	_, err = two.Load(strings.NewReader(`{"userPrincipalName":"one@ashdown.example"}`))
	require.NoError(t, err)
	for doc, want := range map[string]string{
		users.raw:        "there is an object with id",
		`{"value":[{}]}`: "neither a user nor a device", `[{"userPrincipalName":"x@ashdown.example","nosuch":1}]`: `no property "nosuch"`,
		`[{"userPrincipalName":"x@ashdown.example","accountEnabled":"yes"}]`: "Edm.Boolean", `[1]`: "object 0", `7`: "neither an object",
		`[`: "unexpected EOF", ``: "EOF", `[{"@odata.type":"#microsoft.graph.group","id":"1"}]`: "neither a user",
		`[{"userPrincipalName":"x@ashdown.example","extension_0_x":"y"}]`: "not available",
	} {
		_, err := two.Load(strings.NewReader(doc))
		require.ErrorContains(t, err, want, doc)
	}
	require.Len(t, two.Users(), 4)
}
