// SPDX-License-Identifier: Apache-2.0
#include "host/wire/numbers.hpp"

#include <algorithm>
#include <iterator>

#include "host/wire/ids.hpp"

namespace tandem::wire {
namespace {

template <typename E>
struct Name {
  E value;
  const char* text;
};

constexpr Name<ExchangeType> kExchanges[] = {{ExchangeType::kIkeSaInit, "IKE_SA_INIT"},
                                             {ExchangeType::kIkeAuth, "IKE_AUTH"},
                                             {ExchangeType::kCreateChildSa, "CREATE_CHILD_SA"},
                                             {ExchangeType::kInformational, "INFORMATIONAL"},
                                             {ExchangeType::kIkeSessionResume, "IKE_SESSION_RESUME"},
                                             {ExchangeType::kIkeIntermediate, "IKE_INTERMEDIATE"},
                                             {ExchangeType::kIkeFollowupKe, "IKE_FOLLOWUP_KE"}};

constexpr Name<PayloadType> kPayloads[] = {
    {PayloadType::kNone, "none"},       {PayloadType::kSa, "SA"},           {PayloadType::kKe, "KE"},
    {PayloadType::kIdInitiator, "IDi"}, {PayloadType::kIdResponder, "IDr"}, {PayloadType::kCert, "CERT"},
    {PayloadType::kCertReq, "CERTREQ"}, {PayloadType::kAuth, "AUTH"},       {PayloadType::kNonce, "Nonce"},
    {PayloadType::kNotify, "N"},        {PayloadType::kDelete, "D"},        {PayloadType::kVendor, "V"},
    {PayloadType::kTsInitiator, "TSi"}, {PayloadType::kTsResponder, "TSr"}, {PayloadType::kSk, "SK"},
    {PayloadType::kCp, "CP"},           {PayloadType::kEap, "EAP"},         {PayloadType::kSkf, "SKF"}};

constexpr Name<ProtocolId> kProtocols[] = {
    {ProtocolId::kNone, "none"}, {ProtocolId::kIke, "IKE"}, {ProtocolId::kAh, "AH"}, {ProtocolId::kEsp, "ESP"}};

constexpr Name<TransformType> kTransforms[] = {{TransformType::kEncr, "ENCR"},
                                               {TransformType::kPrf, "PRF"},
                                               {TransformType::kInteg, "INTEG"},
                                               {TransformType::kKe, "KE"},
                                               {TransformType::kEsn, "ESN"}};

constexpr Name<IdType> kIds[] = {{IdType::kIpv4, "ID_IPV4_ADDR"},     {IdType::kFqdn, "ID_FQDN"},
                                 {IdType::kRfc822, "ID_RFC822_ADDR"}, {IdType::kIpv6, "ID_IPV6_ADDR"},
                                 {IdType::kDerDn, "ID_DER_ASN1_DN"},  {IdType::kDerGn, "ID_DER_ASN1_GN"},
                                 {IdType::kKeyId, "ID_KEY_ID"},       {IdType::kNull, "ID_NULL"}};

constexpr Name<AuthMethod> kMethods[] = {{AuthMethod::kRsa, "RSA"},
                                         {AuthMethod::kPsk, "PSK"},
                                         {AuthMethod::kDss, "DSS"},
                                         {AuthMethod::kEcdsa256, "ECDSA_256"},
                                         {AuthMethod::kEcdsa384, "ECDSA_384"},
                                         {AuthMethod::kEcdsa521, "ECDSA_521"},
                                         {AuthMethod::kGspm, "GSPM"},
                                         {AuthMethod::kNull, "NULL"},
                                         {AuthMethod::kDigitalSignature, "DIGITAL_SIGNATURE"}};

constexpr Name<NotifyType> kNotifies[] = {
    {NotifyType::kUnsupportedCriticalPayload, "UNSUPPORTED_CRITICAL_PAYLOAD"},
    {NotifyType::kInvalidIkeSpi, "INVALID_IKE_SPI"},
    {NotifyType::kInvalidMajorVersion, "INVALID_MAJOR_VERSION"},
    {NotifyType::kInvalidSyntax, "INVALID_SYNTAX"},
    {NotifyType::kInvalidMessageId, "INVALID_MESSAGE_ID"},
    {NotifyType::kInvalidSpi, "INVALID_SPI"},
    {NotifyType::kNoProposalChosen, "NO_PROPOSAL_CHOSEN"},
    {NotifyType::kInvalidKePayload, "INVALID_KE_PAYLOAD"},
    {NotifyType::kAuthenticationFailed, "AUTHENTICATION_FAILED"},
    {NotifyType::kSinglePairRequired, "SINGLE_PAIR_REQUIRED"},
    {NotifyType::kNoAdditionalSas, "NO_ADDITIONAL_SAS"},
    {NotifyType::kInternalAddressFailure, "INTERNAL_ADDRESS_FAILURE"},
    {NotifyType::kFailedCpRequired, "FAILED_CP_REQUIRED"},
    {NotifyType::kTsUnacceptable, "TS_UNACCEPTABLE"},
    {NotifyType::kInvalidSelectors, "INVALID_SELECTORS"},
    {NotifyType::kUnacceptableAddresses, "UNACCEPTABLE_ADDRESSES"},
    {NotifyType::kUnexpectedNatDetected, "UNEXPECTED_NAT_DETECTED"},
    {NotifyType::kTemporaryFailure, "TEMPORARY_FAILURE"},
    {NotifyType::kChildSaNotFound, "CHILD_SA_NOT_FOUND"},
    {NotifyType::kStateNotFound, "STATE_NOT_FOUND"},
    {NotifyType::kTsMaxQueue, "TS_MAX_QUEUE"},
    {NotifyType::kInitialContact, "INITIAL_CONTACT"},
    {NotifyType::kSetWindowSize, "SET_WINDOW_SIZE"},
    {NotifyType::kAdditionalTsPossible, "ADDITIONAL_TS_POSSIBLE"},
    {NotifyType::kIpcompSupported, "IPCOMP_SUPPORTED"},
    {NotifyType::kNatDetectionSourceIp, "NAT_DETECTION_SOURCE_IP"},
    {NotifyType::kNatDetectionDestinationIp, "NAT_DETECTION_DESTINATION_IP"},
    {NotifyType::kCookie, "COOKIE"},
    {NotifyType::kUseTransportMode, "USE_TRANSPORT_MODE"},
    {NotifyType::kHttpCertLookupSupported, "HTTP_CERT_LOOKUP_SUPPORTED"},
    {NotifyType::kRekeySa, "REKEY_SA"},
    {NotifyType::kEspTfcPaddingNotSupported, "ESP_TFC_PADDING_NOT_SUPPORTED"},
    {NotifyType::kNonFirstFragmentsAlso, "NON_FIRST_FRAGMENTS_ALSO"},
    {NotifyType::kMobikeSupported, "MOBIKE_SUPPORTED"},
    {NotifyType::kAdditionalIp4Address, "ADDITIONAL_IP4_ADDRESS"},
    {NotifyType::kAdditionalIp6Address, "ADDITIONAL_IP6_ADDRESS"},
    {NotifyType::kNoAdditionalAddresses, "NO_ADDITIONAL_ADDRESSES"},
    {NotifyType::kUpdateSaAddresses, "UPDATE_SA_ADDRESSES"},
    {NotifyType::kCookie2, "COOKIE2"},
    {NotifyType::kNoNatsAllowed, "NO_NATS_ALLOWED"},
    {NotifyType::kAuthLifetime, "AUTH_LIFETIME"},
    {NotifyType::kMultipleAuthSupported, "MULTIPLE_AUTH_SUPPORTED"},
    {NotifyType::kAnotherAuthFollows, "ANOTHER_AUTH_FOLLOWS"},
    {NotifyType::kRedirectSupported, "REDIRECT_SUPPORTED"},
    {NotifyType::kRedirect, "REDIRECT"},
    {NotifyType::kRedirectedFrom, "REDIRECTED_FROM"},
    {NotifyType::kTicketLtOpaque, "TICKET_LT_OPAQUE"},
    {NotifyType::kTicketRequest, "TICKET_REQUEST"},
    {NotifyType::kTicketAck, "TICKET_ACK"},
    {NotifyType::kTicketNack, "TICKET_NACK"},
    {NotifyType::kTicketOpaque, "TICKET_OPAQUE"},
    {NotifyType::kEapOnlyAuthentication, "EAP_ONLY_AUTHENTICATION"},
    {NotifyType::kChildlessIkev2Supported, "CHILDLESS_IKEV2_SUPPORTED"},
    {NotifyType::kQuickCrashDetection, "QUICK_CRASH_DETECTION"},
    {NotifyType::kIkev2MessageIdSyncSupported, "IKEV2_MESSAGE_ID_SYNC_SUPPORTED"},
    {NotifyType::kIpsecReplayCounterSyncSupported, "IPSEC_REPLAY_COUNTER_SYNC_SUPPORTED"},
    {NotifyType::kIkev2MessageIdSync, "IKEV2_MESSAGE_ID_SYNC"},
    {NotifyType::kIpsecReplayCounterSync, "IPSEC_REPLAY_COUNTER_SYNC"},
    {NotifyType::kIkev2FragmentationSupported, "IKEV2_FRAGMENTATION_SUPPORTED"},
    {NotifyType::kSignatureHashAlgorithms, "SIGNATURE_HASH_ALGORITHMS"},
    {NotifyType::kUsePpk, "USE_PPK"},
    {NotifyType::kPpkIdentity, "PPK_IDENTITY"},
    {NotifyType::kNoPpkAuth, "NO_PPK_AUTH"},
    {NotifyType::kIntermediateExchangeSupported, "INTERMEDIATE_EXCHANGE_SUPPORTED"},
    {NotifyType::kAdditionalKeyExchange, "ADDITIONAL_KEY_EXCHANGE"}};

template <typename E, std::size_t kCount>
std::string name_in(const Name<E> (&names)[kCount], E value) {
  const auto* const found =
      std::find_if(std::begin(names), std::end(names), [value](const Name<E>& name) { return name.value == value; });
  return found != std::end(names) ? found->text : "unknown(" + std::to_string(static_cast<unsigned>(value)) + ")";
}

std::string hexadecimal(std::uint64_t value, unsigned digits) {
  std::string text;
  for (unsigned i = digits; i-- > 0;) text += "0123456789abcdef"[value >> (4 * i) & 15];
  return text;
}

}  // namespace

std::string to_string(ExchangeType type) { return name_in(kExchanges, type); }
std::string to_string(PayloadType type) { return name_in(kPayloads, type); }
std::string to_string(ProtocolId protocol) { return name_in(kProtocols, protocol); }
std::string to_string(TransformType type) { return name_in(kTransforms, type); }
std::string to_string(IdType type) { return name_in(kIds, type); }
std::string to_string(AuthMethod method) { return name_in(kMethods, method); }
std::string to_string(NotifyType type) { return name_in(kNotifies, type); }
std::string to_string(IkeSpi spi) { return hexadecimal(to_u64(spi), 16); }
std::string to_string(EspSpi spi) { return hexadecimal(to_u32(spi), 8); }

}  // namespace tandem::wire
