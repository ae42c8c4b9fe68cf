//go:build graphreport

package main

import (
	"fmt"
	"testing"

	"github.com/microsoft/kiota-abstractions-go/serialization"
	msgraphsdk "github.com/microsoftgraph/msgraph-sdk-go"
	msgraphcore "github.com/microsoftgraph/msgraph-sdk-go-core"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/users"
	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/entra"
	"go.internal/hybridkit/ldapsync/entra/entratest"
)

// TestDeltaLink is a trap of the SDK that only its models show: over several pages of a delta query, its page iterator
// given the factory that lists are read with loses the delta link, without an error, and the next synchronisation
// has nothing to go on from. With the factory of the delta answer it is there, and with package entra always.
func TestDeltaLink(t *testing.T) {
	server := entratest.New(entratest.Config{PageSize: 2})
	for i := range 5 {
		server.AddUser(entratest.Object{"userPrincipalName": fmt.Sprintf("user%d@ashdown.example", i), "displayName": "x"})
	}
	adapter, err := tenantAdapter(server)
	require.NoError(t, err)
	link := func(factory serialization.ParsableFactory) *string {
		page, err := msgraphsdk.NewGraphServiceClient(adapter).Users().Delta().GetAsDeltaGetResponse(t.Context(), nil)
		require.NoError(t, err)
		it, err := msgraphcore.NewPageIterator[models.Userable](page, adapter, factory)
		require.NoError(t, err)
		n := 0
		require.NoError(t, it.Iterate(t.Context(), func(models.Userable) bool { n++; return true }))
		require.Equal(t, 5, n)
		return it.GetOdataDeltaLink()
	}
	require.Nil(t, link(models.CreateUserCollectionResponseFromDiscriminatorValue), "the SDK, as lists are read")
	require.NotNil(t, link(users.CreateDeltaGetResponseFromDiscriminatorValue))

	client := &entra.Client{Adapter: adapter}
	target, err := entra.New(entra.Config{Client: client})
	require.NoError(t, err)
	delta := target.Delta(t.Context(), ldapsync.User, "", "displayName")
	n := 0
	for _, err := range delta.Items() {
		require.NoError(t, err)
		n++
	}
	require.Equal(t, 5, n)
	require.NotEmpty(t, delta.Link())
}
