// Package cms is the part of the Cryptographic Message Syntax (RFC 5652) that SCEP (RFC 8894) needs:
// SignedData with one signer, EnvelopedData with RSA key transport, and certificates-only SignedData.
//
// It exists because a SCEP client has to decide per message what smallstep/pkcs7 decides per process
// (content cipher, digest) or not at all (signer and recipient named by subjectKeyIdentifier, signed
// attributes in the order they were sent, padding longer than the data). The tests of scepclient show
// each of those limits and say so when one of them is gone.
//
// Input is BER. [Normalise] turns it into DER within [MaxDepth] and [MaxSize]; everything after that
// reads DER. No function panics, and none allocates more than a small multiple of its input.
package cms
