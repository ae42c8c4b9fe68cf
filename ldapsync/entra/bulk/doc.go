// Package bulk sends users to Microsoft Entra ID by API-driven inbound provisioning: the way for a program that is no
// Entra Connect to create users, and to write to users in a tenant where it has no right to change them directly.
//
//	records, skipped := bulk.FromPlan(plan, bulk.PlanOptions{})
//	job := &bulk.Job{Client: client, ServicePrincipal: "…", ID: "API2AAD.…"}
//	receipt, err := job.Upload(ctx, records)
//	fates, err := job.Follow(ctx, receipt)
//
// What is sent is a SCIM bulk request of at most 50 operations (RFC 7644 section 3.7; Microsoft, "synchronizationJob:
// bulkUpload"), at most 40 a second. The service answers 202 and works later: what became of each record is in the
// provisioning logs, which Follow reads. Whether a record creates, changes, enables or disables a user is the
// service's decision, by the job's matching attribute (by default externalId, which is employeeId in Entra ID), and
// what of it is written is the job's attribute mapping.
//
// Users only: there is no such way for devices. Permissions: SynchronizationData-User.Upload for Upload, and
// AuditLog.Read.All with Directory.Read.All for Follow.
package bulk
