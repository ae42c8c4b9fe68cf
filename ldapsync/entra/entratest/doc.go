// Package entratest is Microsoft Graph in a test: one tenant of Microsoft Entra ID (Azure AD) as an http.Handler, with a
// directory that keeps what is written, and with the checks, limits and failures of the service.
//
//	srv := entratest.New(entratest.Config{Budgets: []entratest.Budget{entratest.WriteBudget()}})
//	id := srv.AddUser(entratest.Object{"userPrincipalName": "ada@ashdown.example", "employeeId": "10"})
//	srv.Script(entratest.TooManyRequests("0.249"))
//	client := &http.Client{Transport: srv.Transport()} // or httptest.NewServer(srv)
//
// Any client of Graph can be pointed at it: it speaks HTTP and imports no SDK, only the standard library. With
// [Server.Transport] there is no network either, so that a test inside testing/synctest plays an hour of throttling in
// milliseconds. [Server.Load] takes what a real tenant answered, and the command entratestd serves a tenant on loopback for
// other languages. The same seed and the same requests give the same answers.
//
// # What it has
//
//   - /users and /devices in v1.0 and beta: list, read (by id, userPrincipalName, deviceId), create, PATCH, delete, $count;
//     registeredOwners and registeredUsers of devices; the recycle bin of users with restore.
//   - Checks of every body: unknown, read-only and mistyped properties, the empty string, null where a value is required,
//     lengths, extensionAttribute1 to 15, unique names. A user mastered on premises refuses what its master owns; one that
//     ever was refuses extension attributes. A body announced as gzip that is not is a 400.
//   - Directory extensions: extensionProperties of applications, and their values on users and devices.
//   - $select; paging with $top and nextLink; $filter with and, or, not, eq, ne, ge, gt, le, lt, in, startsWith, endsWith and
//     any() by Microsoft's table of what each property supports, in a default or only in an advanced query
//     (ConsistencyLevel: eventual with $count=true); $expand of owners and assignments.
//   - delta of users and devices: absent and null kept apart, @removed, Prefer: return=minimal, $deltatoken=latest, filter by
//     id, repeats, tokens that expire (410 syncStateNotFound).
//   - $batch: 20 items, dependsOn, 424, status and Retry-After per item, answers in any order.
//   - API-driven inbound provisioning: bulkUpload, and auditLogs/provisioning for the fate of each record.
//   - /deviceManagement/managedDevices and deviceConfigurations with assignments, to read; /organization.
//   - Budgets with an exact, fractional Retry-After; lags between a write and its being seen; faults by script
//     ([Fault]): statuses, error pages of every odd shape, delays, dropped connections, answers lost after the effect.
//   - A record of every request, items of a $batch included ([Server.Requests], [Server.Writes], [Peak]).
//
// # What it does not do
//
//   - Sign-in, scopes and permissions: any bearer token, or the one of Config.Token, may do everything but what application
//     permissions never can do to devices.
//   - Groups, licences, managers and other references between objects, mailboxes, photos, SharePoint's properties of users
//     (aboutMe, skills, …), custom security attributes, schema and open extensions, subscriptions, $search, $orderby and $skip of
//     users and devices, $expand beyond the above, manager@delta.
//   - Writes below /deviceManagement, and what Intune or a device would do by itself.
//   - Resource units are an estimate of the published table; tenant-wide and per-application limits are budgets only where
//     a test sets them.
//   - Words of error messages are the service's where they are documented or well known; clients should go by status and code.
//
// What it lacks it answers with 501 notImplemented and a message that begins with "entratest:", never with something that
// looks like Graph. Where Microsoft's documents leave the service's behaviour open, the field of [Config] that decides says so.
// Open and not switchable: v1.0 takes extensionAttributes of devices although its metadata document does not have them, and
// returns them on $select; v1.0 shows a SCEP or trusted root profile as a plain deviceConfiguration; the sourceIdentity.id of
// a provisioning log is the record's externalId.
package entratest
