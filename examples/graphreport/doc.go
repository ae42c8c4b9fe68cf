// Command graphreport lists the hybrid-joined devices of a tenant with owner, management authority and last sign-in, read with
// the typed models of msgraph-sdk-go. It is the one tool here that uses the whole SDK, and shows what a caller who has a
// GraphServiceClient already gains from the rest of this module: sign-in from entraauth, a tenant to test against from
// entratest.
//
//	go run -tags graphreport ./examples/graphreport demo
//	graphreport [-json] [-stale DAYS] -config FILE
//
// The build tag keeps the SDK out of every other build: its models take 4 CPU-minutes and 5 GiB the first time. FILE
// is an entraauth.Config in JSON ("-" reads standard input), such as {"method": "azure-cli"}. Permissions: Device.Read.All,
// User.ReadBasic.All and DeviceManagementManagedDevices.Read.All. Nothing is written.
//
// Exit status: 0 nothing to report, 1 a device is stale, pending, disabled, unmanaged or there twice, 2 wrong use or the
// tenant could not be read.
package main
