// # What it promises
//
// Each of these is a case of package hazardtest, by the name in brackets, which runs it on real protocol and shows that
// it would notice an engine that breaks the promise.
//
// Refused: there is no plan, or one that Apply refuses until its Trips are accepted. Nothing is written.
//
//   - The organisational unit reads as empty, with success. Nothing is concluded from such a read. [empty-read]
//   - A page of the read is missing, and the read ends with success. Nothing is concluded from such a read.
//     [page-missing]
//   - The connection breaks in the middle of a read. Nothing is concluded from such a read. [connection-lost]
//   - The server ends a read at its size limit. Nothing is concluded from such a read. [size-limit]
//   - The server ends a read at its time limit. Nothing is concluded from such a read. [time-limit]
//   - The server ends a read at an administrative limit. Nothing is concluded from such a read. [admin-limit]
//   - The server is too busy to answer a read. Nothing is concluded from such a read. [server-busy]
//   - The server shuts down in the middle of a read. Nothing is concluded from such a read. [server-unavailable]
//   - The server refers the read to another server. Nothing is concluded from such a read. [referral]
//   - The connection breaks while the further values of an attribute with thousands are fetched. Nothing is concluded
//     from some of the values. [range-lost]
//   - The configuration names another organisational unit, which is empty. That all objects left is not believed.
//     [wrong-base]
//   - The configuration gets a filter that nobody passes. That all objects left is not believed. [wrong-filter]
//   - Somebody empties an attribute of everybody at the source. So many values are not cleared without a word.
//     [mass-clear]
//   - The connection is to a Global Catalog port, where attributes are silently missing. Such a read is refused.
//     [global-catalog]
//   - Another domain controller answers before the reads of a cycle are done. What two servers said is not put
//     together. [server-swapped-midway]
//   - The account loses the right to list the organisational unit: success, and nothing there. A directory that may
//     not be listed proves nothing. [listing-denied]
//   - The account loses the right to read the attribute that the filter asks about: nobody passes it. Objects that
//     cannot be judged do not leave. [filter-attribute-denied]
//   - The organisational unit is deleted and made again under the same name, with the people anew. Another
//     organisational unit is not taken for the old one. [ou-recreated]
//   - The organisational unit is deleted with everybody in it. An organisational unit that cannot be found proves
//     nothing. [ou-deleted]
//   - Most of the organisational unit is moved away. So many are not reverted without a word. [mass-move]
//   - The disk with the state is full. Nothing is written that could not be remembered. [state-full]
//   - Two engines run on one state, with plans of the same moment. The second is refused, and writes nothing.
//     [two-engines]
//
// Held: what is in doubt is left as it is and reported; everything else goes on.
//
//   - The account loses the right to read one mapped attribute: it is silently missing. An attribute that may not be
//     read is not taken for cleared. [attribute-denied]
//   - Accounts are disabled, where the organisation synchronises enabled ones only. A disabled account is held as it
//     is. [disabled-account]
//   - An object is moved into an organisational unit below its own, which is not traversed. It is held until somebody
//     moves it back or out. [child-ou]
//   - Two accounts carry the same mS-DS-ConsistencyGuid, as a copied account does. Neither is written, and nobody
//     else is affected. [duplicate-anchors]
//   - Two accounts at the source have the same key. Neither is joined by it. [duplicate-source-keys]
//   - A new account has the key of somebody who is joined already. It is held, and the other one stays as it is.
//     [key-of-somebody-else]
//   - Two people at the target have the same key. Neither is chosen. [duplicate-target-keys]
//   - The certificate of a synchronised device has expired. The device is held with the certificate it had, and not
//     removed. [certificate-expired]
//   - A synchronised device has the certificate of another one. The device is held with the certificate it had, and
//     not removed. [certificate-foreign]
//   - The certificate of a synchronised device is gone. The device is held with the certificate it had, and not
//     removed. [certificate-gone]
//   - What stands in userCertificate is no certificate. The device is held with the certificate it had, and not
//     removed. [certificate-damaged]
//   - The clock of the engine jumps twenty years ahead. The device is held with the certificate it had, and not
//     removed. [clock-forward]
//   - The clock of the engine jumps twenty years back. The device is held with the certificate it had, and not
//     removed. [clock-back]
//   - A device is moved out of its organisational unit. Its synchronisation stops, and nothing is removed (operations
//     guide, 9.3). [device-moved-out]
//   - Another administrator changes a value at the target after the plan was made. That value is not overwritten by
//     this plan; the rest is written. [edited-between-plan-and-apply]
//   - A value the engine wrote is changed by hand at the target; then the person leaves. The value of somebody else
//     is not reverted. [edited-and-left]
//   - A value is changed by hand at the target between the plan that reverts it and the revert. It is not cleared.
//     [edited-during-revert]
//   - An attribute that the source has not, and the engine never wrote, has a value at the target. It is not cleared.
//     [foreign-value]
//   - The counterpart of somebody is deleted at the target. Users are not created again, and nobody else is affected.
//     [counterpart-deleted]
//   - The state is restored from a backup that is older than what was written since. A value that is not what the old
//     state knows is not reverted. [state-of-yesterday]
//
// Done right, with no write that is not due:
//
//   - An attribute has more values than the server hands out at once (MaxValRange, 1,500). All of them arrive, and
//     none is taken away. [many-values]
//   - The server does not take the DirSync cookie any more. Everything is read, and nothing is written that is not
//     due. [dirsync-cookie-refused]
//   - Another domain controller answers from now on. Its change numbers are not mixed with those of the other one.
//     [another-server]
//   - The domain controller is restored from a backup (its invocationId changes). Nothing it said before is relied
//     on. [server-restored]
//   - Somebody leaves while an attribute cannot be read. What the engine wrote is reverted, and nothing of anybody
//     else. [attribute-denied-while-leaving]
//   - The organisational unit is renamed. It is followed by its objectGUID, and nobody leaves. [ou-renamed]
//   - The organisational unit is moved. It is followed by its objectGUID, and nobody leaves. [ou-moved]
//   - Somebody is moved out of the organisational unit and back, within a cycle and over several. They are reverted
//     when they are seen outside, and written again when they are back. [moved-and-back]
//   - Somebody leaves and comes back while a plan waits to be applied. The plan does what it said, and the next one
//     puts it right. [moved-between-plan-and-apply]
//   - Somebody is deleted. They leave after two cycles in which they are found nowhere, not after one. [deleted]
//   - Somebody marries: name, display name and account change. They stay the same person at the target. [renamed]
//   - The attribute two objects were joined by changes, and another object has that value now. A join that was made
//     stays. [key-changed]
//   - Somebody is deleted, and a new account has the same name and the same key. The new account is not taken for the
//     old one: it is joined after that has left and was reverted. [recreated-same-name]
//   - The answer to a write is lost, whether it was carried out or not. The object is looked at before anything is
//     sent again. [write-unclear]
//   - A write arrives at the target after the next run has looked for it. It counts as the engine's own, and is
//     reverted when the person leaves or has left. [write-late]
//   - The target is too busy for some writes. They are made later, once. [target-busy]
//   - The program is killed at any call it makes to a directory or to its state. Started again, it does what was due,
//     once, and still knows what it owns. [killed-anywhere]
//   - The state is lost. Nothing is written; what was written before it was lost is not reverted when somebody
//     leaves. [state-lost]
//   - A commit to the state fails in the middle of applying a plan, at every place. The plan is finished later, and
//     nothing is written twice. [state-half-written]
package ldapsync
