//! The region that a stream lies in, as its ARN says, beside the one that it was asked for in.

/// An endpoint answers for whatever region it stands for: what was asked for in one region is a stream of another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "asked for in {asked}, the stream is {arn}: the endpoint answers for {found}; name that region, or give another \
     endpoint"
)]
pub struct OtherRegion {
    /// The region that was asked.
    pub asked: String,
    /// The region that the stream lies in.
    pub found: String,
    /// The stream's ARN.
    pub arn: String,
}

/// Whether a stream that was `asked` for in a region and has this ARN is the one that was meant.
///
/// # Errors
/// [`OtherRegion`] where it is not: one may look at it, and not act on it.
pub fn in_its_region(asked: &str, arn: &str) -> Result<(), OtherRegion> {
    match region_of(arn).filter(|found| *found != asked) {
        None => Ok(()),
        Some(found) => {
            Err(OtherRegion { asked: asked.to_owned(), found: found.to_owned(), arn: arn.to_owned() })
        }
    }
}

/// The region in `arn:aws:kinesis:eu-west-1:111122223333:stream/NAME`.
pub fn region_of(arn: &str) -> Option<&str> {
    arn.split(':').nth(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_of_another_region_than_the_one_that_was_asked_is_not_the_one_that_was_meant() {
        const ARN: &str = "arn:aws:kinesis:eu-west-1:111122223333:stream/orders";
        assert_eq!(in_its_region("eu-west-1", ARN), Ok(()));
        let told = in_its_region("us-east-1", ARN).expect_err("another").to_string();
        let expected = format!(
            "asked for in us-east-1, the stream is {ARN}: the endpoint answers for eu-west-1; name that region, or \
             give another endpoint"
        );
        assert_eq!(told, expected);
    }
}
