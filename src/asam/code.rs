//! The stable words of this module.

use crate::codes;
pub use crate::issue::ATTACHMENT_MISSING;

codes! {
    BAD_ZIP = "bad-zip": "the file is neither a readable ZIP archive nor an XML document, or it ends too early";
    NO_DOCUMENTS = "no-documents": "the archive holds no issue document";
    LIMIT_EXCEEDED = "limit-exceeded": "something is larger, deeper or more numerous than the limits allow";
    BAD_XML = "bad-xml": "a document is not well-formed XML";
    DOCTYPE = "doctype": "a document has a document type declaration; it is not read";
    NOT_A_DOCUMENT = "not-a-document": "an XML file at the top of the archive is no issue document; it is taken as an attachment";
    NO_COMPANIES = "no-companies": "a document names no companies";
    COMPANY_INCOMPLETE = "company-incomplete": "a company has no long or no short name";
    BAD_DATE = "bad-date": "a date is missing or cannot be read";
    DATE_FORM = "date-form": "a date is written in another form than the profile's";
    NO_NUMBER = "no-number": "the issue has no number in the partner's tracker and cannot be used";
    SAME_ISSUE_TWICE = "same-issue-twice": "the delivery has the issue twice; the newer document counts";
    UNKNOWN_CATEGORY = "unknown-category": "an engineering object has a category the profile does not know; kept as eo.CATEGORY";
    ELEMENT_INCOMPLETE = "element-incomplete": "an element lacks what makes it usable and is left out";
    UNKNOWN_ELEMENT = "unknown-element": "an element the profile does not know; kept by its path";
    UNKNOWN_MEMBER_REF = "unknown-member-ref": "a reference to a team member the document does not have; its id is used";
    ATTACHMENT_NAME = "attachment-name": "a file was found by a tolerant comparison of names";
    ATTACHMENT_REFUSED = "attachment-refused": "the content of an archive member is not used";
    DUPLICATE_MEMBER = "duplicate-member": "the archive has two members of the same name; none of them is used";
    OVERLAPPING_MEMBERS = "overlapping-members": "archive members share bytes; they are not used";
    HEADER_MISMATCH = "header-mismatch": "a member's own header and the central directory disagree; it is not used";
    NOT_A_FILE = "not-a-file": "an archive member is a link, device or other special file; it is not used";
    BAD_MEMBER_NAME = "bad-member-name": "the name of an archive member contains a NUL or control character; it is not used";
    PATH_LIKE_NAME = "path-like-name": "the name of an archive member leaves the archive; it is never used as a path";
    ENCRYPTED = "encrypted": "an archive member is encrypted and cannot be read";
    UNSUPPORTED_METHOD = "unsupported-method": "an archive member is compressed by a method we do not read";
    PREFIX_DATA = "prefix-data": "there is data before the first archive member";
    TRAILING_PADDING = "trailing-padding": "the archive is padded with zero bytes";
    CONTENT_DAMAGED = "content-damaged": "the content of an archive member does not match its checksum or size";
    DROPPED_CHARACTERS = "dropped-characters": "characters that XML 1.0 cannot carry were left out";
    WRITING_UNSUPPORTED = "writing-unsupported": "documents of this profile can be read but not written";
}
