// SPDX-License-Identifier: Apache-2.0
// The numbers of IKEv2. Enumerations are open: a value from the wire may be none of the named ones, and to_string()
// then gives "unknown" with the number. RFC 7296 3, IANA "IKEv2 Parameters"; requirements G, H, S.
#pragma once

#include <cstdint>
#include <string>

namespace tandem::wire {

enum class ExchangeType : std::uint8_t {
  kIkeSaInit = 34,
  kIkeAuth = 35,
  kCreateChildSa = 36,
  kInformational = 37,
  kIkeSessionResume = 38,
  kIkeIntermediate = 43,
  kIkeFollowupKe = 44
};

enum class PayloadType : std::uint8_t {
  kNone = 0,
  kSa = 33,
  kKe = 34,
  kIdInitiator = 35,
  kIdResponder = 36,
  kCert = 37,
  kCertReq = 38,
  kAuth = 39,
  kNonce = 40,
  kNotify = 41,
  kDelete = 42,
  kVendor = 43,
  kTsInitiator = 44,
  kTsResponder = 45,
  kSk = 46,
  kCp = 47,
  kEap = 48,
  kSkf = 53
};

enum class ProtocolId : std::uint8_t { kNone = 0, kIke = 1, kAh = 2, kEsp = 3 };

enum class TransformType : std::uint8_t { kEncr = 1, kPrf = 2, kInteg = 3, kKe = 4, kEsn = 5 };

enum class IdType : std::uint8_t {
  kIpv4 = 1,
  kFqdn = 2,
  kRfc822 = 3,
  kIpv6 = 5,
  kDerDn = 9,
  kDerGn = 10,
  kKeyId = 11,
  kNull = 13
};

enum class CertEncoding : std::uint8_t {
  kX509Signature = 4,
  kHashAndUrl = 12,
  kHashAndUrlBundle = 13,
  kRawPublicKey = 15
};

enum class AuthMethod : std::uint8_t {
  kRsa = 1,
  kPsk = 2,
  kDss = 3,
  kEcdsa256 = 9,
  kEcdsa384 = 10,
  kEcdsa521 = 11,
  kGspm = 12,
  kNull = 13,
  kDigitalSignature = 14
};

enum class TsType : std::uint8_t { kIpv4Range = 7, kIpv6Range = 8 };

enum class CpType : std::uint8_t { kRequest = 1, kReply = 2, kSet = 3, kAck = 4 };

enum class CpAttributeType : std::uint16_t {
  kInternalIp4Address = 1,
  kInternalIp4Netmask = 2,
  kInternalIp4Dns = 3,
  kInternalIp6Address = 8,
  kInternalIp6Dns = 10,
  kInternalIp4Subnet = 13,
  kSupportedAttributes = 14,
  kInternalIp6Subnet = 15
};

enum class NotifyType : std::uint16_t {
  kUnsupportedCriticalPayload = 1,
  kInvalidIkeSpi = 4,
  kInvalidMajorVersion = 5,
  kInvalidSyntax = 7,
  kInvalidMessageId = 9,
  kInvalidSpi = 11,
  kNoProposalChosen = 14,
  kInvalidKePayload = 17,
  kAuthenticationFailed = 24,
  kSinglePairRequired = 34,
  kNoAdditionalSas = 35,
  kInternalAddressFailure = 36,
  kFailedCpRequired = 37,
  kTsUnacceptable = 38,
  kInvalidSelectors = 39,
  kUnacceptableAddresses = 40,
  kUnexpectedNatDetected = 41,
  kTemporaryFailure = 43,
  kChildSaNotFound = 44,
  kStateNotFound = 47,
  kTsMaxQueue = 48,
  kInitialContact = 16384,
  kSetWindowSize = 16385,
  kAdditionalTsPossible = 16386,
  kIpcompSupported = 16387,
  kNatDetectionSourceIp = 16388,
  kNatDetectionDestinationIp = 16389,
  kCookie = 16390,
  kUseTransportMode = 16391,
  kHttpCertLookupSupported = 16392,
  kRekeySa = 16393,
  kEspTfcPaddingNotSupported = 16394,
  kNonFirstFragmentsAlso = 16395,
  kMobikeSupported = 16396,
  kAdditionalIp4Address = 16397,
  kAdditionalIp6Address = 16398,
  kNoAdditionalAddresses = 16399,
  kUpdateSaAddresses = 16400,
  kCookie2 = 16401,
  kNoNatsAllowed = 16402,
  kAuthLifetime = 16403,
  kMultipleAuthSupported = 16404,
  kAnotherAuthFollows = 16405,
  kRedirectSupported = 16406,
  kRedirect = 16407,
  kRedirectedFrom = 16408,
  kTicketLtOpaque = 16409,
  kTicketRequest = 16410,
  kTicketAck = 16411,
  kTicketNack = 16412,
  kTicketOpaque = 16413,
  kEapOnlyAuthentication = 16417,
  kChildlessIkev2Supported = 16418,
  kQuickCrashDetection = 16419,
  kIkev2MessageIdSyncSupported = 16420,
  kIpsecReplayCounterSyncSupported = 16421,
  kIkev2MessageIdSync = 16422,
  kIpsecReplayCounterSync = 16423,
  kIkev2FragmentationSupported = 16430,
  kSignatureHashAlgorithms = 16431,
  kUsePpk = 16435,
  kPpkIdentity = 16436,
  kNoPpkAuth = 16437,
  kIntermediateExchangeSupported = 16438,
  kAdditionalKeyExchange = 16441
};

// Error types are below 16384, status types from there on (ERR-001).
constexpr bool is_error(NotifyType type) { return static_cast<std::uint16_t>(type) < 16384; }

// IANA's names: "IKE_SA_INIT", "SA", "COOKIE"; "unknown(77)" for others.
std::string to_string(ExchangeType type);
std::string to_string(PayloadType type);
std::string to_string(ProtocolId protocol);
std::string to_string(TransformType type);
std::string to_string(IdType type);
std::string to_string(AuthMethod method);
std::string to_string(NotifyType type);

}  // namespace tandem::wire
