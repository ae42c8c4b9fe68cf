// Package entra is Microsoft Entra ID (formerly Azure AD) as a target of the sync engine, through Microsoft Graph.
//
//	client := &entra.Client{Adapter: adapter} // of a GraphServiceClient: client.GetAdapter(); or entraauth.NewAdapter
//	target, err := entra.New(entra.Config{Client: client, Budget: budget})
//	s := ldapsync.Syncer{Target: target, Organisation: …, Source: …, State: …}
//
// It sits on the official SDK's adapter (msgraph-sdk-go-core, kiota) for authentication and transport and leaves out
// its models, which take minutes and gigabytes to build and lose what a sync engine lives by: explicit nulls, changes
// to fetched objects, the difference between null and absent. Bodies and answers are raw JSON here.
//
// # What can be written
//
// A mapping may write what Graph lets an application write: plain properties of users that are not synchronised from
// Active Directory, extensionAttribute1 to 15 of users that never were, extensionAttribute1 to 15 of all devices, and
// directory extensions (Extension) of both. A track that maps anything else, such as onPremisesSamAccountName, is
// refused before anything is read, with the reason and with what writes it instead (Target.CheckTrack). What only
// the object itself can tell, whether Active Directory is its authority, is looked up before each write
// (MasteredError).
//
// # How it writes
//
// Many writes at a time (Syncer.Workers; 40 is a good number) become batches of twenty (Queue), at a pace that no
// window of time exceeds (Budget). A throttled item waits for exactly as long as Graph asks and is sent again alone;
// a write whose outcome is not known is looked at before it is sent again. Errors carry status, code, request ids and
// what Graph asked to wait (Error).
//
// # What it does not do
//
// It creates no objects, moves none, and deletes none unless told to (Config.Delete). It does not write passwords,
// licences, groups, or properties that SharePoint keeps. Properties of Intune are comgmt/graph's.
package entra
